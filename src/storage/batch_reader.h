// Reads what goes to PostgreSQL next. Used where the connection is.
#pragma once

#include <set>

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

  /// The rows behind `cursor` of the oldest epoch that has any, at most `max_rows` of each kind. `cursor` moves over
  /// quarantined rows that nothing follows.
  Batch next(Cursor& cursor, std::size_t max_rows, const std::set<Seq>& quarantined);

 private:
  void read_results(Batch& batch, Cursor& cursor, const Epoch& epoch, std::size_t max_rows,
                    const std::set<Seq>& quarantined);
  void read_skipped(Batch& batch, const Cursor& cursor, const Epoch& epoch, std::size_t max_rows);
  void read_gaps(Batch& batch, const Cursor& cursor, const Epoch& epoch, std::size_t max_rows);
  void add_definitions(Batch& batch);
  void add_tls(Batch& batch);

  Definitions& definitions_;
  TlsTable& tls_;
  const Epochs& epochs_;
  Statement results_;
  Statement skipped_;
  Statement gaps_;
};

}  // namespace monitor::storage
