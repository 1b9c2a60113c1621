// The keys of a service beyond the predecessor's: how it is asked, and what is expected of the answer. Pure but for the
// environment and, in Values::kExpanded, the files that a service names.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/interpret.h"
#include "config/tree.h"
#include "probe/options.h"

namespace monitor::config {

/// What is wrong with a pattern, each judged once: services share few, and compiling one takes long.
class Patterns {
 public:
  const std::optional<std::string>& refuse(const std::string& pattern);

 private:
  std::unordered_map<std::string, std::optional<std::string>> refused_;
};

struct SpecReading {
  std::shared_ptr<const probe::Spec> spec;     ///< what can be judged now; complete after kExpanded without a fault
  std::string settings;                        ///< the keys as typed, see probe::Service
  std::vector<std::filesystem::path> exposed;  ///< files with a secret that everyone may read
  bool holds_secret = false;                   ///< a password, token or secret header stands in the file itself
};

/// Reads the keys whose `values` these are, in the order in which they are to be written. `service` counts for faults.
SpecReading read_spec(const Tree& tree, std::span<const Tree::Index> values, const Reading& reading,
                      std::optional<std::size_t> service, Patterns& patterns, Faults& faults);

/// Whether a header's value is better not shown: that of Authorization, Cookie, X-Api-Key and what sounds like them.
bool is_secret_header(std::string_view name);

}  // namespace monitor::config
