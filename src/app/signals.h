// SIGINT, SIGTERM and SIGHUP, delivered on the io thread. The first asks for an orderly stop; a second ends the
// process.
#pragma once

#include <chrono>
#include <functional>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/signal_set.hpp>

namespace monitor::app {

/// The exit status after a second signal.
inline constexpr int kExitForced = 130;

/// Ends the process with `status` if it still lives after `patience`.
void leave_within(std::chrono::seconds patience, int status);

class Signals {
 public:
  /// `on_stop` is called once, with the name of the signal. SIGHUP stops where there is a terminal; under a supervisor
  /// `on_hangup` is called instead.
  Signals(const boost::asio::any_io_executor& io, std::function<void(const char*)> on_stop,
          std::function<void()> on_hangup);

 private:
  void wait();
  void received(int number);

  boost::asio::signal_set set_;
  std::function<void(const char*)> on_stop_;
  std::function<void()> on_hangup_;
};

}  // namespace monitor::app
