// Partitions ahead of time, those that have grown too old, and the roll-ups, on a connection of its own. io thread
// only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>

#include "async/clock.h"
#include "exporter/link.h"
#include "exporter/options.h"

namespace monitor::exporter {

class Maintenance {
 public:
  Maintenance(boost::asio::any_io_executor io, const Options& options, const Limits& limits, const async::Clock& clock);

  bool due() const { return clock_.steady() >= next_; }
  /// One pass: roll-ups for a while; partitions, and an index that an upgrade left out, when they are due, or
  /// `everything`. Catches what goes wrong: a later pass tries again, and exporting does not depend on it.
  boost::asio::awaitable<void> pass(bool everything);
  /// No call begins any more. Does not wait for one under way, as close() does.
  void retire();
  void close();

 private:
  /// Why a part of the work failed; an empty text says it did not.
  struct Failure {
    std::string text;
    std::string sqlstate;
    bool overdue = false;  ///< a call or a statement took longer than its limit
  };
  /// When a failure that lasts is to be told again.
  using TellAt = std::optional<common::SteadyTime>;

  boost::asio::awaitable<Failure> failure_of(boost::asio::awaitable<void> work);
  boost::asio::awaitable<void> make_partitions();
  boost::asio::awaitable<void> roll_up();
  boost::asio::awaitable<void> drop_partition();
  boost::asio::awaitable<void> make_index();
  void plan_partitions(Failure& failure);
  void tell(TellAt& at, std::string_view what, const Failure& failure) const;

  Options options_;
  Limits limits_;
  const async::Clock& clock_;
  Link link_;
  common::SteadyTime next_;
  common::SteadyTime next_partitions_;
  common::SteadyTime next_index_;
  TellAt tell_partitions_;
  TellAt tell_rollups_;
  TellAt tell_index_;
  std::int64_t patience_ = 1;  ///< doubled when something takes too long
  bool closed_ = false;
};

}  // namespace monitor::exporter
