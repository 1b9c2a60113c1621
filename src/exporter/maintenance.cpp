#include "exporter/maintenance.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "common/log.h"
#include "exporter/remote_schema.h"

namespace monitor::exporter {

namespace log = common::log;
using boost::asio::awaitable;

namespace {

/// Partitions are made two days ahead, so this may be missed many times.
constexpr std::chrono::hours kPeriod{1};
/// After a partition was dropped, for there may be another; and after a failure.
constexpr std::chrono::minutes kSoon{1};
/// After a lock was not had, because somebody reads: each attempt holds up the inserts as long as it waits.
constexpr auto kLater = std::chrono::duration_cast<std::chrono::minutes>(kPeriod) / 4;
constexpr std::string_view kLockNotAvailable = "55P03";

/// The day that was dropped, if any.
std::optional<std::chrono::sys_days> maintain(Session& session, std::optional<std::chrono::seconds> retention) {
  const auto now = server_now(*session.begin());
  const auto today = std::chrono::floor<std::chrono::days>(now);
  const auto there = partitions(session);
  for (auto day = today; day <= today + kDaysAhead; day += std::chrono::days{1}) {
    if (!there.contains(day)) ensure_partition(session, day);
  }
  return retention ? drop_expired(session, *retention) : std::nullopt;
}

}  // namespace

Maintenance::Maintenance(boost::asio::any_io_executor io, const Options& options, const Limits& limits,
                         const async::Clock& clock)
    : retention_(options.remote_retention),
      clock_(clock),
      link_(std::move(io), options.uri, limits),
      next_(clock.steady()) {}

awaitable<void> Maintenance::pass() {
  auto wait = kSoon;
  std::string problem;
  try {
    wait = co_await try_pass();
  } catch (const Refused& error) {
    problem = error.what();
    if (error.sqlstate() == kLockNotAvailable) {
      wait = kLater;
      problem +=
          fmt::format("; a long transaction uses the table, and the next attempt is in {} minutes", wait.count());
    }
  } catch (const std::exception& error) {
    problem = error.what();
  }
  if (closed_) co_return;
  next_ = clock_.steady() + wait;
  const bool failed = !problem.empty();
  if (failed && !failing_) log::warning("partitions in PostgreSQL are not maintained for now: {}", problem);
  failing_ = failed;
  // Between passes an hour apart a session is worth less than the server's connection slot.
  co_await link_.disconnect();
}

awaitable<std::chrono::minutes> Maintenance::try_pass() {
  co_await link_.connect();
  const auto dropped =
      co_await link_.call([retention = retention_](Session& session) { return maintain(session, retention); });
  if (dropped) {
    log::info("dropped the results of {} in PostgreSQL: they are older than remote_retention",
              common::format_time(*dropped).substr(0, 10));
  }
  co_return dropped ? kSoon : kPeriod;
}

void Maintenance::close() {
  closed_ = true;
  link_.close();
}

}  // namespace monitor::exporter
