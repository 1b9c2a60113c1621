// The standard streams and the real daemon, apart from run(), so that its tests need neither.
#include <algorithm>
#include <csignal>
#include <iostream>

#include "app/daemon.h"
#include "cli/cli.h"

namespace monitor::cli {

int main(int argc, char** argv) {
  // A reader that went away is an error of the write, not the end of the process.
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, nullptr);
  Console console{std::cin, std::cout, std::cerr, app::run};
  return run(std::vector<std::string>(argv + std::min(argc, 1), argv + argc), console);
}

}  // namespace monitor::cli
