// The Collector on a store: one bounded purge after another. Runs on the io thread.
#pragma once

#include "async/doing.h"
#include "collector/collector.h"
#include "collector/retention.h"

namespace monitor::collector {

class PurgeLoop final : public Collector {
 public:
  PurgeLoop(const Options& options, bool exporting, storage::Store& store, const async::Clock& clock);

  boost::asio::awaitable<bool> step() override;
  boost::asio::awaitable<void> run() override;
  Health health() const override;

 private:
  boost::asio::awaitable<bool> purge();
  boost::asio::awaitable<bool> purge_by_age(common::WallTime before);
  boost::asio::awaitable<bool> forget(common::WallTime hours_before);
  void tell_clock();
  void tell_purged(bool more);

  const Options options_;
  const bool exporting_;
  const std::chrono::seconds pace_;
  storage::Store& store_;
  const async::Clock& clock_;
  Retention retention_;
  Retention history_;  // roll-ups are the only copy here, whatever is exported
  std::optional<common::SteadyTime> due_;
  std::optional<common::SteadyTime> forget_due_;
  Health health_;
  async::Doing doing_;
  bool told_suspended_ = false;
  std::uint64_t told_ = 0;  // how many of health_.purged the log knows of
};

}  // namespace monitor::collector
