#include "app/signals.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <boost/asio/buffer.hpp>

namespace monitor::app {
namespace {

constexpr std::int64_t kSameSignalMs = 100;
constexpr std::int64_t kNever = -1;

// What the handlers use. All of it is set before they are installed, and lock-free.
std::atomic<std::int64_t> g_first_stop_ms{kNever};
std::atomic<int> g_pipe{-1};
std::atomic<bool> g_hangup_stops{false};
std::atomic<bool> g_hangup_held{false};
std::atomic<int> g_last_status{EXIT_FAILURE};

std::int64_t steady_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * std::int64_t{1000} + now.tv_nsec / 1'000'000;
}

void tell_io_thread(int number) {
  const auto byte = static_cast<unsigned char>(number);
  // A full pipe already holds more signals than anybody has to be told of.
  if (::write(g_pipe, &byte, 1) < 0) return;
}

void on_signal(int number) {
  const int saved = errno;
  if (number == SIGHUP && !g_hangup_stops) {
    tell_io_thread(number);
  } else {
    auto first = kNever;
    if (g_first_stop_ms.compare_exchange_strong(first, steady_ms())) {
      tell_io_thread(number);
    } else if (steady_ms() - first > kSameSignalMs) {
      ::_exit(kExitForced);
    }
  }
  errno = saved;
}

void hold_hangup(int) {
  g_hangup_held = true;
}

void exit_late(int) {
  ::_exit(g_last_status);
}

void handle(int number, void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigaction(number, &action, nullptr);
}

bool ignored(int number) {
  struct sigaction current{};
  return ::sigaction(number, nullptr, &current) == 0 && current.sa_handler == SIG_IGN;
}

int reading_end() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot make a pipe for signals");
  }
  g_pipe = ends[1];
  return ends[0];
}

bool has_terminal() {
  return ::isatty(STDIN_FILENO) == 1 || ::isatty(STDOUT_FILENO) == 1 || ::isatty(STDERR_FILENO) == 1;
}

const char* name_of(int number) {
  if (number == SIGHUP) return "SIGHUP";
  return number == SIGINT ? "SIGINT" : "SIGTERM";
}

}  // namespace

void leave_within(std::chrono::seconds patience, int status) {
  g_last_status = status;
  handle(SIGALRM, exit_late);
  ::alarm(static_cast<unsigned>(patience.count()));
}

void stay() {
  ::alarm(0);
}

void hold_hangups() {
  if (!ignored(SIGHUP) && !has_terminal()) handle(SIGHUP, hold_hangup);
}

Signals::Signals(const boost::asio::any_io_executor& io, std::function<void(const char*)> on_stop,
                 std::function<void()> on_hangup)
    : pipe_(io, reading_end()), on_stop_(std::move(on_stop)), on_hangup_(std::move(on_hangup)) {
  // Asked now: when a terminal is closed it is no longer one by the time the signal comes.
  g_hangup_stops = has_terminal();
  handle(SIGINT, on_signal);
  handle(SIGTERM, on_signal);
  if (!ignored(SIGHUP)) handle(SIGHUP, on_signal);
  if (g_hangup_held.exchange(false)) tell_io_thread(SIGHUP);
  wait();
}

// The handlers stay: a signal that comes now finds the pipe closed, or ends the process.
Signals::~Signals() {
  const int writing_end = g_pipe.exchange(-1);
  ::close(writing_end);
}

void Signals::wait() {
  pipe_.async_read_some(boost::asio::buffer(received_), [this](const boost::system::error_code& error, std::size_t) {
    if (error) return;
    const int number = received_[0];
    if (number == SIGHUP && !g_hangup_stops) {
      on_hangup_();
    } else {
      on_stop_(name_of(number));
    }
    wait();
  });
}

}  // namespace monitor::app
