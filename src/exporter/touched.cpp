#include "exporter/touched.h"

#include <algorithm>
#include <map>

#include "exporter/array_literal.h"
#include "exporter/remote_schema.h"

namespace monitor::exporter {
namespace {

using Hour = std::chrono::time_point<std::chrono::system_clock, std::chrono::hours>;

/// Of an hour's results; zeros where only slots that did not run fall into it.
struct Numbers {
  storage::Seq first = 0;
  storage::Seq last = 0;

  void take(storage::Seq seq) {
    first = first == 0 ? seq : std::min(first, seq);
    last = std::max(last, seq);
  }
};

Hour hour_of(common::WallTime time) {
  return std::chrono::floor<std::chrono::hours>(time);
}

std::optional<std::int64_t> number_or_null(storage::Seq seq) {
  return seq == 0 ? std::nullopt : std::optional<std::int64_t>(seq);
}

}  // namespace

void mark_touched(Transaction& transaction, int agent, std::span<const storage::StoredResult> results,
                  std::span<const storage::StoredSkipped> skipped, common::WallTime now) {
  std::map<Hour, Numbers> hours;
  for (const auto& row : results) hours[hour_of(row.requested_at)].take(row.seq);
  const auto first = hour_of(now - kDaysBack);
  const auto last = hour_of(now + kDaysAhead);
  for (const auto& row : skipped) {
    // A clock that was set back makes ranges that end before they begin; their slots count where they end.
    const auto end = std::min(hour_of(row.to), last);
    for (auto hour = std::clamp(hour_of(row.from), first, std::max(first, end)); hour <= end; ++hour) hours[hour];
  }
  if (hours.empty()) return;
  ArrayLiteral starts;
  ArrayLiteral firsts;
  ArrayLiteral lasts;
  for (const auto& [hour, numbers] : hours) {
    starts.add(std::chrono::seconds(hour.time_since_epoch()).count());
    firsts.add(number_or_null(numbers.first));
    lasts.add(number_or_null(numbers.last));
  }
  transaction.run(
      "INSERT INTO monitoring_touched (hour, agent, first_seq, last_seq) "
      "SELECT timestamp 'epoch' + hour_s * interval '1 second', $1::integer, first_seq, last_seq "
      "FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS t(hour_s, first_seq, last_seq)",
      {std::to_string(agent), starts.close(), firsts.close(), lasts.close()});
}

}  // namespace monitor::exporter
