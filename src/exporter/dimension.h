// A remote table of what is stored once: rows refer to its entries by the number that the server gave their
// fingerprint. Its members run on a link's thread, one at a time.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>

#include "exporter/array_literal.h"
#include "exporter/postgres.h"

namespace monitor::exporter {

/// `Row` has a local `id` and a `fingerprint`; `Columns` (row_columns.h) knows the table.
template <typename Row, typename Columns>
class Dimension {
 public:
  /// Numbers of so many entries are remembered, so that an emptied table gets its old numbers back.
  static constexpr std::size_t kMaxKnown = std::size_t{1} << 16;

  using Wanted = std::vector<const Row*>;

  /// Makes sure inside the transaction that every one of `rows` is there.
  void find(Transaction& transaction, const Wanted& rows, Repertoire repertoire);
  /// The server's number of the row that find() had under this local id; 0: there was none.
  int number_of(std::int64_t local) const {
    const auto found = numbers_.find(local);
    return found == numbers_.end() ? 0 : found->second;
  }

 private:
  using Fingerprint = std::array<std::uint8_t, 32>;
  struct Hash {  // of what is a hash already
    std::size_t operator()(const Fingerprint& fingerprint) const {
      std::size_t hash = 0;
      std::memcpy(&hash, fingerprint.data(), sizeof(hash));
      return hash;
    }
  };
  using Numbers = std::unordered_map<Fingerprint, int, Hash>;

  /// False when somebody took one away, or when there is a new one.
  bool all_there(Transaction& transaction, const Wanted& rows) const;
  void settle(Transaction& transaction, const Wanted& rows, Repertoire repertoire);
  static void look_up(Transaction& transaction, const Wanted& wanted, Numbers& found);
  void add(Transaction& transaction, const Wanted& missing, Repertoire repertoire, bool with_known_numbers) const;

  Numbers known_;
  std::unordered_map<std::int64_t, int> numbers_;
};

}  // namespace monitor::exporter
