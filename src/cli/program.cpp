// The standard streams and the real daemon, apart from run(), so that its tests need neither.
#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <iostream>
#include <unistd.h>

#include "app/daemon.h"
#include "app/limits.h"
#include "cli/cli.h"
#include "config/expand.h"

namespace monitor::cli {
namespace {

/// A standard stream that was closed before the start must not become the number of a socket or of a database, into
/// which the log would then be written. Reading or writing it fails as it would have; only the log goes nowhere.
void occupy_standard_streams() {
  for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(number, F_GETFD) != -1) continue;
    // The lowest free number is this one: those below it are open.
    ::open("/dev/null", number == STDOUT_FILENO ? O_RDONLY : O_WRONLY);
  }
}

}  // namespace

int main(int argc, char** argv) {
  occupy_standard_streams();
  app::refuse_core_files();
  // A reader that went away is an error of the write, not the end of the process.
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, nullptr);
  const Look look = look_of(::isatty(STDOUT_FILENO) == 1, config::environment_variable);
  Console console{std::cin, std::cout, std::cerr, app::run, look};
  return run(std::vector<std::string>(argv + std::min(argc, 1), argv + argc), console);
}

}  // namespace monitor::cli
