// What a changed configuration brings, beside its services: what is taken over while the daemon runs, and what waits
// for a restart. Pure.
#pragma once

#include <string>
#include <vector>

#include "agent/change.h"
#include "config/settings.h"

namespace monitor::app {

/// Keys of the configuration whose values differ.
struct Difference {
  bool collector = false;            ///< it has to be made anew
  bool exporter = false;             ///< likewise
  std::vector<std::string> applied;  ///< in force from now on
  std::vector<std::string> restart;  ///< after a restart only
};
Difference difference_of(const config::Settings& before, const config::Settings& after);

/// What came of one reading of the file.
struct Reloaded {
  std::string refusal;  ///< why nothing was changed, one line per fault; empty: it was taken over
  bool polled = true;   ///< an agent runs that polls them
  std::size_t services = 0, added = 0, changed = 0, removed = 0;
  std::vector<std::string> applied, restart;  ///< as in Difference
  std::vector<std::string> warnings;          ///< sentences for the operator, that were not said before
};

/// Whether so many of `before` services are gone that the file may have been cut off, rather than edited.
bool loses_too_many(std::size_t before, std::size_t removed);

/// `2 services were added, 1 changed and none removed; 7 stay as they are. …`.
std::string sentence_of(const Reloaded& reloaded);

}  // namespace monitor::app
