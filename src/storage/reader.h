// Reads a local database beside the daemon that writes it, or without one: as it was at one moment, so that a purge
// between two questions neither loses nor doubles what it moves into the roll-ups. A connection of its own that never
// writes. One thread at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "storage/number_ledger.h"
#include "storage/quarantine.h"
#include "storage/rollup.h"
#include "storage/row_sums.h"
#include "storage/rows.h"
#include "storage/stats.h"

namespace monitor::storage {

/// One result as a report needs it.
struct ReportRow {
  Seq seq = 0;
  const StoredDefinition* definition = nullptr;  ///< lives as long as the reader
  common::WallTime requested_at{};
  common::Outcome outcome = common::Outcome::kUp;
  std::optional<std::uint16_t> status;  ///< nothing: there was no HTTP response
  common::Micros total{};
  std::uint16_t attempt = 0;
  std::optional<common::Micros> dns, connect, tls, first_byte, transfer;  ///< nothing: the phase did not take place
  common::Micros lateness{};
  std::string_view reason;  ///< empty for an up row; valid during the call only
};

/// What a person reads of a row: its reason, or `HTTP 200 in 12.3 ms`.
std::string reason_text(const ReportRow& row);

class Reader {
 public:
  /// What is stored later is not seen. While a reader lives the daemon's log keeps what it may read: not for long.
  /// Throws common::Error: no file, not ours, a newer version, or not readable.
  explicit Reader(const std::filesystem::path& file);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// Every stored definition, of services that are no longer configured too; without its `settings`.
  const std::unordered_map<DefinitionId, StoredDefinition>& definitions() const { return definitions_; }

  /// Results requested in [from, to), in the order in which they were stored. `service` is a name, a
  /// key, or `GET https://…`. What is
  /// far outside the range is not read.
  void for_each_result(common::WallTime from, common::WallTime to, const std::optional<std::string>& service,
                       const std::function<void(const ReportRow&)>& visit);
  /// When the oldest result that is still here was requested; nothing: there is none.
  std::optional<common::WallTime> oldest_result();
  /// The daemon's last sign of life, or its newest result if that is later. One after `now` is that of a wrong clock.
  std::optional<common::WallTime> alive_at(common::WallTime now);
  /// Results and skipped slots that were purged, of hours or days that start in [from, to), the oldest first.
  void for_each_rollup(Tier tier, common::WallTime from, common::WallTime to,
                       const std::function<void(const PackedRollup&)>& visit);
  /// Where the oldest one starts; nothing: there is none.
  std::optional<common::WallTime> oldest_rollup(Tier tier);
  /// What purged results say of outages that touch [from, to). One that has not ended goes on, or ends, with the
  /// results of its service that are still here.
  std::vector<Outage> outages(common::WallTime from, common::WallTime to);
  /// Those that touch [from, to). A skipped range is here or in the roll-ups, whole. Gaps are in neither; but those of
  /// GapReason::kSizeCap, kRemoteLost and kRefused tell what is missing in PostgreSQL alone: it is here.
  std::vector<StoredSkipped> skipped(common::WallTime from, common::WallTime to);
  std::vector<StoredGap> gaps(common::WallTime from, common::WallTime to);
  /// Looks at each number that is here: about a second for ten million rows.
  Ledger ledger();
  Stats stats();
  /// Every id that owns numbers of this file, the newest first.
  std::vector<std::string> agent_ids();
  /// Of the results with numbers in [first, last], in order; the sums without those in quarantine.
  std::vector<RowSum> row_sums(Seq first, Seq last);
  std::vector<std::pair<Seq, std::int64_t>> row_values(Seq first, Seq last);
  /// The lowest number of a result requested at or after `time`; nothing: there is none.
  std::optional<Seq> first_since(common::WallTime time);
  /// When the result with this number was requested; nothing: it is not here.
  std::optional<common::WallTime> requested_at(Seq seq);
  /// At most `max_rows` of the quarantine with numbers above `after`, in order.
  std::vector<QuarantinedRow> quarantined(Seq after, std::size_t max_rows);
  /// What SQLite finds wrong with the file, or else what of its rows does not fit together (invariants.h), at most
  /// `max_findings` sentences; none: it is sound. Reads all of it.
  std::vector<std::string> check(std::size_t max_findings);

 private:
  struct Range {
    Seq first;
    Seq last;
  };
  void load_definitions();
  std::unordered_set<DefinitionId> definitions_of(const std::string& service) const;
  /// Unix microseconds of the first row from `seq` on.
  std::int64_t time_at(Seq seq);
  std::vector<Range> ranges(common::WallTime from, common::WallTime to);

  struct Parts;
  std::filesystem::path file_;
  std::unique_ptr<Parts> parts_;
  std::unordered_map<DefinitionId, StoredDefinition> definitions_;
};

}  // namespace monitor::storage
