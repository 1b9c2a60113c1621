// Partitions ahead of time, and those that have grown too old, on a connection of its own. io thread only.
#pragma once

#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "async/clock.h"
#include "exporter/options.h"
#include "exporter/postgres.h"

namespace monitor::exporter {

class Maintenance {
 public:
  Maintenance(boost::asio::any_io_executor io, const Options& options, const Limits& limits, const async::Clock& clock);

  bool due() const { return clock_.steady() >= next_; }
  /// One pass. Catches what goes wrong: the next pass tries again, and exporting does not depend on it.
  boost::asio::awaitable<void> pass();
  void close();

 private:
  /// How long until the next pass.
  boost::asio::awaitable<std::chrono::minutes> try_pass();

  std::optional<std::chrono::seconds> retention_;
  const async::Clock& clock_;
  Link link_;
  common::SteadyTime next_;
  bool failing_ = false;
  bool closed_ = false;
};

}  // namespace monitor::exporter
