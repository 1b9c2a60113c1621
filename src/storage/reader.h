// Reads a local database beside the daemon that writes it, or without one. A connection of its own that never writes.
// One thread at a time.
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

#include "storage/rows.h"

namespace monitor::storage {

/// One result as a report needs it.
struct ReportRow {
  Seq seq = 0;
  const StoredDefinition* definition = nullptr;  ///< lives as long as the reader
  common::WallTime requested_at{};
  common::Outcome outcome = common::Outcome::kUp;
  std::optional<std::uint16_t> status;
  common::Micros total{};
  std::uint16_t attempt = 0;
  std::string_view reason;  ///< empty for an up row; valid during the call only
};

/// What a person reads of a row: its reason, or `HTTP 200 in 12.3 ms`.
std::string reason_text(const ReportRow& row);

class Reader {
 public:
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
  /// Those that touch [from, to).
  std::vector<StoredSkipped> skipped(common::WallTime from, common::WallTime to);
  std::vector<StoredGap> gaps(common::WallTime from, common::WallTime to);

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
  std::unique_ptr<Parts> parts_;
  std::unordered_map<DefinitionId, StoredDefinition> definitions_;
};

}  // namespace monitor::storage
