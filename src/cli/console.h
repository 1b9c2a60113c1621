// What a command talks to: the three streams, and the daemon that `start` runs. One thread.
#pragma once

#include <functional>
#include <istream>
#include <ostream>

#include "cli/look.h"
#include "config/settings.h"

namespace monitor::cli {

struct Console {
  std::istream& in;   ///< answers to prompts, and values given as `-`
  std::ostream& out;  ///< tables, sentences, prompts
  std::ostream& err;  ///< errors and warnings
  /// Runs what `start` starts and returns the exit status; app::run in the real program.
  std::function<int(const config::Settings& settings, bool notify_systemd)> daemon;
  Look look{};  ///< of `out`
};

}  // namespace monitor::cli
