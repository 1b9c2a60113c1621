#include "app/signals.h"

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <unistd.h>
#include <utility>

namespace monitor::app {
namespace {

std::int64_t g_first_signal_ms = 0;  // written before the handler that reads it is installed

std::int64_t steady_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

/// timeout(1) and shells send one signal twice, to the process and to its group: what comes so soon is no second wish.
void exit_at_once(int) {
  constexpr std::int64_t kSameSignalMs = 100;
  if (steady_ms() - g_first_signal_ms > kSameSignalMs) ::_exit(kExitForced);
}

/// From now on a signal ends the process even if the io thread no longer turns.
void arm_second_signal() {
  g_first_signal_ms = steady_ms();
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

int g_last_status = EXIT_FAILURE;  // written before the handler that reads it is installed

void exit_late(int) {
  ::_exit(g_last_status);
}

}  // namespace

void leave_within(std::chrono::seconds patience, int status) {
  g_last_status = status;
  struct sigaction action{};
  action.sa_handler = exit_late;
  ::sigaction(SIGALRM, &action, nullptr);
  ::alarm(static_cast<unsigned>(patience.count()));
}

Signals::Signals(const boost::asio::any_io_executor& io, std::function<void(const char*)> on_stop,
                 std::function<void()> on_hangup)
    : set_(io, SIGINT, SIGTERM), on_stop_(std::move(on_stop)), on_hangup_(std::move(on_hangup)) {
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
  arm_second_signal();
  on_stop_(number == SIGINT ? "SIGINT" : number == SIGTERM ? "SIGTERM" : "SIGHUP");
}

}  // namespace monitor::app
