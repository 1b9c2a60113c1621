#include "app/signals.h"

#include <csignal>
#include <unistd.h>
#include <utility>

namespace monitor::app {
namespace {

void exit_at_once(int) {
  ::_exit(kExitForced);
}

/// From now on a signal ends the process even if the io thread no longer turns.
void arm_second_signal() {
  struct sigaction action{};
  action.sa_handler = exit_at_once;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool has_terminal() {
  return ::isatty(STDIN_FILENO) == 1 || ::isatty(STDOUT_FILENO) == 1;
}

bool ignored(int number) {
  struct sigaction current{};
  return ::sigaction(number, nullptr, &current) == 0 && current.sa_handler == SIG_IGN;
}

}  // namespace

Signals::Signals(boost::asio::any_io_executor io, std::function<void(const char*)> on_stop,
                 std::function<void()> on_hangup)
    : set_(std::move(io), SIGINT, SIGTERM), on_stop_(std::move(on_stop)), on_hangup_(std::move(on_hangup)) {
  if (!ignored(SIGHUP)) set_.add(SIGHUP);  // nohup(1) means it
  wait();
}

void Signals::wait() {
  set_.async_wait([this](const boost::system::error_code& error, int number) {
    if (!error) received(number);
  });
}

void Signals::received(int number) {
  if (number == SIGHUP && !has_terminal()) {
    on_hangup_();
    wait();
    return;
  }
  set_.clear();
  arm_second_signal();
  on_stop_(number == SIGINT ? "SIGINT" : number == SIGTERM ? "SIGTERM" : "SIGHUP");
}

}  // namespace monitor::app
