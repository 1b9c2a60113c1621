// Ends a call that hangs in a socket. Any thread.
#pragma once

#include <mutex>

namespace monitor::exporter {

/// Makes a blocked call return by shutting down its socket.
class Breaker {
 public:
  Breaker() = default;
  ~Breaker();
  Breaker(const Breaker&) = delete;
  Breaker& operator=(const Breaker&) = delete;

  /// Watches a duplicate of `socket`, so that the number is never that of another file. Throws Unavailable when there
  /// is no descriptor for one: what cannot be interrupted may hang for ever.
  void watch(int socket);
  void forget();
  void trip();
  /// Trips, and every socket that is watched from now on as soon as it is.
  void trip_for_good();

 private:
  std::mutex mutex_;
  int socket_ = -1;
  bool for_good_ = false;
};

}  // namespace monitor::exporter
