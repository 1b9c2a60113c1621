// The command line of `monitor`: parses it, runs the command, says what went wrong, gives the exit status.
#pragma once

#include <string>
#include <vector>

#include "cli/console.h"

namespace monitor::cli {

/// The exit statuses; a daemon that a second signal ended gives 130.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;      ///< failed at run time, another instance runs, or a prompt was not answered yes
inline constexpr int kWrongUsage = 2;  ///< wrong usage, value or configuration

/// Those of `check`, by the verdict; a check that a signal cut gives 130.
inline constexpr int kUp = 0;
inline constexpr int kDown = 1;
inline constexpr int kDegraded = 3;
inline constexpr int kUnknown = 4;  ///< the check could not be carried out, or not be told of

/// Runs `arguments` (without the program's name). Throws nothing; errors are sentences on `console.err`.
int run(const std::vector<std::string>& arguments, Console& console);

/// The same up to where the command would run: help and errors are told, and nothing else is done.
int parse(const std::vector<std::string>& arguments, Console& console);

/// run() on the standard streams, with app::run as the daemon. Ignores SIGPIPE from then on.
int main(int argc, char** argv);

}  // namespace monitor::cli
