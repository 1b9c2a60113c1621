// SIGINT, SIGTERM and SIGHUP, delivered on the io thread. The first asks for an orderly stop; a second ends the
// process at once, even if the io thread no longer turns.
#pragma once

#include <array>
#include <chrono>
#include <functional>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace monitor::app {

/// The exit status after a second signal.
inline constexpr int kExitForced = 130;

/// Ends the process with `status` if it still lives after `patience`.
void leave_within(std::chrono::seconds patience, int status);
/// Takes leave_within() back.
void stay();

/// A SIGHUP that comes before Signals is there, while a large database is taken over, is told once it is: it does not
/// end the process, unless there is a terminal.
void hold_hangups();

/// One per process. A signal that comes within 100 ms of the first counts as the same: timeout(1) and shells send one
/// both to the process and to its group.
class Signals {
 public:
  /// `on_stop` is called with the name of the first signal. SIGHUP is one where there is a terminal; under a supervisor
  /// `on_hangup` is called instead, and nothing at all where it was ignored from the start, as nohup(1) has it.
  Signals(const boost::asio::any_io_executor& io, std::function<void(const char*)> on_stop,
          std::function<void()> on_hangup);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  void wait();

  boost::asio::posix::stream_descriptor pipe_;
  std::array<unsigned char, 1> received_{};
  std::function<void(const char*)> on_stop_;
  std::function<void()> on_hangup_;
};

}  // namespace monitor::app
