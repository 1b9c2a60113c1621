#include "exporter/maintenance.h"

#include <string_view>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include "common/log.h"
#include "exporter/remote_schema.h"
#include "exporter/rollup.h"

namespace monitor::exporter {

namespace log = common::log;
using boost::asio::awaitable;

namespace {

/// Of the roll-ups: an hour can be rolled up two minutes after its last rows.
constexpr std::chrono::minutes kPeriod{1};
/// A pass rolls up for no longer than this and what it began then, so that a backlog takes a third of a core at most.
constexpr std::chrono::seconds kWork{20};
/// Partitions are made two days ahead, so this may be missed many times.
constexpr std::chrono::hours kPartitionsPeriod{1};
/// After a partition was dropped, for there may be another; and after a failure.
constexpr std::chrono::minutes kSoon{1};
/// After a lock was not had, because somebody reads: each attempt holds up the inserts as long as it waits.
constexpr auto kLater = std::chrono::duration_cast<std::chrono::minutes>(kPartitionsPeriod) / 4;
constexpr std::string_view kLockNotAvailable = "55P03";

/// Rolling up an hour of millions of results takes minutes, and nobody waits for it.
Limits patient(Limits limits) {
  limits.call *= 60;
  limits.statement *= 30;
  return limits;
}

void make_ahead(Session& session) {
  const auto today = std::chrono::floor<std::chrono::days>(server_now(*session.begin()));
  const auto there = partitions(session);
  for (auto day = today; day <= today + kDaysAhead; day += std::chrono::days{1}) {
    if (!there.contains(day)) ensure_partition(session, day);
  }
}

}  // namespace

Maintenance::Maintenance(boost::asio::any_io_executor io, const Options& options, const Limits& limits,
                         const async::Clock& clock)
    : options_(options),
      clock_(clock),
      link_(std::move(io), options.uri, patient(limits)),
      next_(clock.steady()),
      next_partitions_(next_) {}

awaitable<void> Maintenance::pass(bool everything) {
  const bool partitions = everything || clock_.steady() >= next_partitions_;
  Failure failure;
  if (partitions) failure = co_await failure_of(make_partitions());
  const auto rollups = co_await failure_of(roll_up());
  if (partitions) {
    // Even where none could be made: perhaps there is no room, and this makes some.
    auto dropping = co_await failure_of(drop_partition());
    if (failure.text.empty()) failure = std::move(dropping);
  }
  if (closed_) co_return;
  next_ = clock_.steady() + kPeriod;
  if (!rollups.text.empty() && !rollups_failing_) {
    log::warning("hours and days in PostgreSQL are not rolled up for now: {}", rollups.text);
  }
  rollups_failing_ = !rollups.text.empty();
  if (partitions) {
    if (!failure.text.empty()) next_partitions_ = clock_.steady() + kSoon;
    if (failure.sqlstate == kLockNotAvailable) {
      next_partitions_ = clock_.steady() + kLater;
      failure.text +=
          fmt::format("; a long transaction uses the table, and the next attempt is in {} minutes", kLater.count());
    }
    if (!failure.text.empty() && !partitions_failing_) {
      log::warning("partitions in PostgreSQL are not maintained for now: {}", failure.text);
    }
    partitions_failing_ = !failure.text.empty();
  }
  // A session of which little is used is worth less than the server's connection slot.
  co_await link_.disconnect();
}

awaitable<Maintenance::Failure> Maintenance::failure_of(awaitable<void> work) {
  Failure failure;
  try {
    if (!link_.open()) co_await link_.connect();
    co_await std::move(work);
  } catch (const Refused& error) {
    failure = {error.what(), error.sqlstate()};
  } catch (const std::exception& error) {
    failure.text = error.what();
  }
  co_return failure;
}

awaitable<void> Maintenance::make_partitions() {
  co_await link_.call(&make_ahead);
}

awaitable<void> Maintenance::roll_up() {
  RollupPass pass(options_);
  const auto end = clock_.steady() + kWork;
  const auto one_step = [&pass](Session& session) { return pass.step(session); };
  while (co_await link_.call(one_step) && clock_.steady() < end) {
  }
}

awaitable<void> Maintenance::drop_partition() {
  next_partitions_ = clock_.steady() + kPartitionsPeriod;
  if (!options_.remote_retention) co_return;
  const auto drop_one = [retention = *options_.remote_retention](Session& session) {
    return drop_expired(session, retention);
  };
  const auto dropped = co_await link_.call(drop_one);
  if (dropped.state != Dropping::kNothing) next_partitions_ = clock_.steady() + kSoon;
  if (dropped.state == Dropping::kDropped) {
    log::info("dropped the results of {} in PostgreSQL: they are older than remote_retention",
              common::format_time(dropped.day).substr(0, 10));
  }
}

void Maintenance::close() {
  closed_ = true;
  link_.close();
}

}  // namespace monitor::exporter
