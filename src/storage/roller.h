// Adds up results and skipped slots that a purge is about to delete, into the roll-ups and the outages. Used where the
// connection is, inside the transaction that deletes them.
#pragma once

#include <unordered_map>
#include <utility>
#include <vector>

#include "storage/outage_table.h"
#include "storage/rollup_table.h"

namespace monitor::storage {

/// How many slots of a skipped range, spread evenly over it, were due in each hour; the hours in order. A range longer
/// than any purge lets grow was taken under a clock that jumped: its slots are spread over its first 400 days.
std::vector<std::pair<common::WallTime, std::uint64_t>> slots_by_hour(const Skipped& skipped);

class Roller {
 public:
  /// What add() reads of a result.
  static constexpr const char* kColumns =
      "seq, requested_at, definition, outcome, status IS NOT NULL, attempt, total_us, lateness_us, dns_us, connect_us, "
      "tls_us, first_byte_us, transfer_us";

  explicit Roller(Database& database, Meta& meta) : rollups_(database, meta), outages_(database) {}

  /// kColumns of a result. The results of each service in the order of `seq`, every one once.
  void add(const Rows& rows);
  void add(const Skipped& skipped);
  /// Of how many services and hours something waits for save().
  std::size_t waiting() const { return sums_.size(); }
  /// Writes it all; the last call of a transaction.
  void save();
  /// After a rollback.
  void reload();

  RollupTable& rollups() { return rollups_; }
  OutageTable& outages() { return outages_; }

 private:
  struct Key {
    common::WallTime hour{};
    DefinitionId definition = 0;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const;
  };
  using Sum = std::pair<const Key, Rollup>;
  void save_hours(std::vector<const Sum*>& sums);
  void save_days(std::vector<const Sum*>& sums);

  RollupTable rollups_;
  OutageTable outages_;
  std::unordered_map<Key, Rollup, Hash> sums_;
};

}  // namespace monitor::storage
