#include "collector/purge_loop.h"

#include <algorithm>

#include <boost/system/system_error.hpp>

#include "async/event.h"
#include "common/log.h"

namespace monitor::collector {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxRows = 100'000;  // the store ends a step before, when its time is up
constexpr std::size_t kMaxRollups = 5000;
constexpr std::chrono::seconds kPause{2};
constexpr std::chrono::minutes kForgetPace{10};  // what is left of purged rows stays for days: it need not go at once

/// How often results are purged by age: the more of a service go at once, the less it costs to add each to the
/// roll-ups. None stays much longer than was asked for.
std::chrono::seconds pace_of(std::chrono::seconds keep) {
  return std::clamp<std::chrono::seconds>(keep / 60, std::chrono::seconds{10}, std::chrono::minutes{1});
}

}  // namespace

std::unique_ptr<Collector> Collector::create(asio::any_io_executor, const Options& options, bool exporting,
                                             storage::Store& store, const async::Clock& clock) {
  return std::make_unique<PurgeLoop>(options, exporting, store, clock);
}

PurgeLoop::PurgeLoop(const Options& options, bool exporting, storage::Store& store, const async::Clock& clock)
    : options_(options),
      exporting_(exporting),
      pace_(pace_of(exporting ? options.keep_exported : options.local_retention)),
      store_(store),
      clock_(clock),
      retention_(exporting ? options.keep_exported : options.local_retention, !exporting),
      history_(options.rollup_hours, true) {}

asio::awaitable<bool> PurgeLoop::step() {
  const async::Doing::Mark mark(doing_, "purge step");
  bool more = false;
  std::string problem;
  try {
    more = co_await purge();
  } catch (const boost::system::system_error&) {
    throw;  // cancelled
  } catch (const std::exception& error) {
    problem = error.what();
  }
  ++health_.steps;
  if (!problem.empty() && !health_.degraded) common::log::error("Nothing can be purged: {}", problem);
  if (problem.empty() && health_.degraded) common::log::warning("Purging goes on");
  health_.degraded = !problem.empty();
  health_.problem = std::move(problem);
  co_return more;
}

asio::awaitable<bool> PurgeLoop::purge() {
  const Moment moment{.wall = clock_.wall(), .steady = clock_.steady(), .newest = store_.newest()};
  const auto before = retention_.cut_off(moment);
  const auto hours_before = history_.cut_off(moment);
  tell_clock();
  const bool due = !due_ || moment.steady >= *due_;
  bool more = false;
  if (due && before) more = co_await purge_by_age(*before);
  if (due && !more) due_ = moment.steady + pace_;
  if (hours_before && (!forget_due_ || moment.steady >= *forget_due_)) {
    const bool more_to_forget = co_await forget(*hours_before);
    if (!more_to_forget) forget_due_ = moment.steady + kForgetPace;
    more = more || more_to_forget;
  }
  const auto capped = co_await store_.purge_to_cap(kMaxRows);
  health_.purged += static_cast<std::uint64_t>(capped.results);
  more = more || capped.more;
  tell_purged(more);
  if (!more) co_await store_.tidy();
  co_return more;
}

asio::awaitable<bool> PurgeLoop::purge_by_age(common::WallTime before) {
  const auto purged = co_await store_.purge(before, exporting_, kMaxRows);
  health_.purged += static_cast<std::uint64_t>(purged.results);
  co_return purged.more;
}

asio::awaitable<bool> PurgeLoop::forget(common::WallTime hours_before) {
  const auto days_before = hours_before - (options_.rollup_days - options_.rollup_hours);
  co_return co_await store_.forget(hours_before, days_before, exporting_, kMaxRollups);
}

void PurgeLoop::tell_clock() {
  if (retention_.suspended() && !told_suspended_) {
    common::log::warning(
        "The clock is {} s from where it was expected: nothing is purged by age until it has stood for an hour",
        std::chrono::duration_cast<std::chrono::seconds>(retention_.step()).count());
  } else if (!retention_.suspended() && told_suspended_) {
    common::log::warning("The clock is steady again: results are purged by age");
  }
  told_suspended_ = retention_.suspended();
  health_.suspended = told_suspended_;
}

/// Once per drain, not once per step.
void PurgeLoop::tell_purged(bool more) {
  if (more || told_ == health_.purged) return;
  common::log::info("{} processed records deleted.", health_.purged - told_);
  told_ = health_.purged;
}

asio::awaitable<void> PurgeLoop::run() {
  for (;;) {
    const auto begin = clock_.steady();
    const bool more = co_await step();
    // Half of the time at most: checks and commits need the cores too.
    co_await async::sleep_for(more ? std::min<std::chrono::nanoseconds>(clock_.steady() - begin, kPause) : kPause);
  }
}

Health PurgeLoop::health() const {
  auto health = health_;
  health.place = doing_.text();
  return health;
}

}  // namespace monitor::collector
