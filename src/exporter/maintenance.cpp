#include "exporter/maintenance.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include "common/log.h"
#include "exporter/remote_schema.h"
#include "exporter/rollup_pass.h"

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
constexpr std::string_view kQueryCanceled = "57014";
/// After an index could not be made, which only speeds up questions: an attempt waits for every older transaction, and
/// nothing is rolled up meanwhile.
constexpr std::chrono::hours kIndexAgain{6};
/// A failure that lasts is told again.
constexpr std::chrono::hours kTellAgain{1};
/// A statement then has an hour: where an hour of results takes longer, the roll-ups never catch up anyway. It is told
/// of for as long as that is so.
constexpr std::int64_t kMostPatience = 16;

/// Rolling up an hour of millions of results takes minutes, and nobody waits for it.
Limits patient(Limits limits, std::int64_t patience) {
  limits.call *= 60 * patience;
  limits.statement *= 30 * patience;
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
      limits_(limits),
      clock_(clock),
      link_(std::move(io), options.uri, patient(limits, 1)),
      next_(clock.steady()),
      next_partitions_(next_),
      next_index_(next_) {}

awaitable<void> Maintenance::pass(bool everything) {
  const bool partitions = everything || clock_.steady() >= next_partitions_;
  Failure failure;
  if (partitions) failure = co_await failure_of(make_partitions());
  auto rollups = co_await failure_of(roll_up());
  if (partitions) {
    // Even where none could be made: perhaps there is no room, and this makes some.
    auto dropping = co_await failure_of(drop_partition());
    if (failure.text.empty()) failure = std::move(dropping);
  }
  if (closed_) co_return;
  next_ = clock_.steady() + kPeriod;
  if (rollups.overdue || failure.overdue) patience_ = std::min(2 * patience_, kMostPatience);
  if (rollups.overdue) {
    rollups.text += fmt::format("; the next attempt may take {} minutes",
                                std::chrono::ceil<std::chrono::minutes>(patient(limits_, patience_).call).count());
  }
  if (options_.remote_retention) rollups.text += rollups.text.empty() ? "" : "; remote_retention waits for them";
  tell(tell_rollups_, "hours and days in PostgreSQL are not rolled up", rollups);
  if (partitions) {
    plan_partitions(failure);
    tell(tell_partitions_, "partitions in PostgreSQL are not maintained", failure);
    if (clock_.steady() >= next_index_) co_await make_index();
  }
  // A session of which little is used is worth less than the server's connection slot.
  co_await link_.disconnect();
  link_.set_limits(patient(limits_, patience_));
}

void Maintenance::plan_partitions(Failure& failure) {
  if (!failure.text.empty()) next_partitions_ = clock_.steady() + kSoon;
  if (failure.sqlstate != kLockNotAvailable) return;
  next_partitions_ = clock_.steady() + kLater;
  failure.text +=
      fmt::format("; a long transaction uses the table, and the next attempt is in {} minutes", kLater.count());
}

void Maintenance::tell(TellAt& at, std::string_view what, const Failure& failure) const {
  if (failure.text.empty()) return at.reset();
  if (at && clock_.steady() < *at) return;
  at = clock_.steady() + kTellAgain;
  log::warning("{} for now: {}", what, failure.text);
}

awaitable<Maintenance::Failure> Maintenance::failure_of(awaitable<void> work) {
  Failure failure;
  try {
    if (!link_.open()) co_await link_.connect();
    co_await std::move(work);
  } catch (const Refused& error) {
    failure = {error.what(), error.sqlstate(), error.sqlstate() == kQueryCanceled};
  } catch (const Overdue& error) {
    failure = {error.what(), {}, true};
  } catch (const std::exception& error) {
    failure.text = error.what();
  }
  co_return failure;
}

awaitable<void> Maintenance::make_partitions() {
  co_await link_.call(&make_ahead);
}

awaitable<void> Maintenance::make_index() {
  auto failure = co_await failure_of(link_.call(&ensure_index));
  if (closed_) co_return;
  if (!failure.text.empty()) {
    next_index_ = clock_.steady() + kIndexAgain;
    failure.text += fmt::format(
        "; without it `report --external` reads all of them, and the next attempt is in {} hours", kIndexAgain.count());
  }
  tell(tell_index_, "the index of monitoring_skipped by time is not made in PostgreSQL", failure);
}

awaitable<void> Maintenance::roll_up() {
  RollupPass pass(options_);
  const auto end = clock_.steady() + kWork;
  const auto one_step = [&pass](Session& session) { return pass.step(session); };
  while (co_await link_.call(one_step) && clock_.steady() < end) {
  }
  if (pass.refused()) throw Refused(*pass.refused());
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

void Maintenance::retire() {
  closed_ = true;
  link_.retire();
}

void Maintenance::close() {
  retire();
  link_.close();
}

}  // namespace monitor::exporter
