// Reads what goes to PostgreSQL next. Used where the connection is.
#pragma once

#include <memory>
#include <set>
#include <unordered_map>

#include "storage/definitions.h"
#include "storage/epochs.h"
#include "storage/rows.h"
#include "storage/sqlite.h"
#include "storage/tls_table.h"

namespace monitor::storage {

class BatchReader {
 public:
  /// A batch ends at this many bytes of text, so that many long failures never make one huge transaction.
  static constexpr std::size_t kMaxTextBytes = std::size_t{8} << 20;

  BatchReader(Database& database, Definitions& definitions, TlsTable& tls, const Epochs& epochs);

  /// Definitions are kept in memory up to so many bytes of them.
  static constexpr std::size_t kMaxKnownBytes = std::size_t{16} << 20;

  /// The rows behind `cursor` of the oldest epoch that has any, at most `max_rows` of each kind. `cursor` moves over
  /// quarantined rows that nothing follows.
  Batch next(Cursor& cursor, std::size_t max_rows, const std::set<Seq>& quarantined);

 private:
  void read_results(Batch& batch, Cursor& cursor, const Epoch& epoch, std::size_t max_rows,
                    const std::set<Seq>& quarantined);
  void read_skipped(Batch& batch, const Cursor& cursor, const Epoch& epoch, std::size_t max_rows);
  void read_gaps(Batch& batch, const Cursor& cursor, const Epoch& epoch, std::size_t max_rows);
  void add_definitions(Batch& batch);
  void want(DefinitionId id, Batch& batch);
  void add_tls(Batch& batch);

  Definitions& definitions_;
  TlsTable& tls_;
  const Epochs& epochs_;
  struct Known {
    std::shared_ptr<const StoredDefinition> definition;
    std::uint64_t batch = 0;  ///< the last one that has it
  };
  std::unordered_map<DefinitionId, Known> known_;
  std::size_t known_bytes_ = 0;
  std::uint64_t batches_ = 0;
  Statement results_;
  Statement skipped_;
  Statement gaps_;
};

}  // namespace monitor::storage
