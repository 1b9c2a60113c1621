// Writes batches into the remote tables. Its members run on a link's thread, one at a time.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "exporter/array_literal.h"
#include "exporter/bisection.h"
#include "exporter/dimension.h"
#include "exporter/postgres.h"
#include "exporter/remote_schema.h"
#include "exporter/row_columns.h"
#include "storage/rows.h"

namespace monitor::exporter {

/// Somebody else moved this agent's head while we were connected: a copy of our file is in use.
class IdentityShared : public common::Error {
 public:
  using common::Error::Error;
};

enum class Kind { kResults, kSkipped, kGaps };

/// What of a batch one transaction takes.
struct Part {
  Range results;
  Range skipped;
  Range gaps;
  std::optional<storage::Cursor> head;  ///< moves the agent's heads up to here

  static Part all_of(const storage::Batch& batch, storage::Cursor head) {
    return {{0, batch.results.size()}, {0, batch.skipped.size()}, {0, batch.gaps.size()}, head};
  }
  static Part of(Kind kind, Range rows) {
    Part part;
    (kind == Kind::kResults ? part.results : kind == Kind::kSkipped ? part.skipped : part.gaps) = rows;
    return part;
  }
};

/// What a server refused; nothing of the part was stored.
struct Refusal {
  std::string sqlstate;
  std::string reason;
};

struct Opened {
  SchemaReport schema;
  storage::Cursor head;  ///< of the agent; zeros when it was not there
  std::string where;
  std::string encoding;
  std::string exposure;  ///< Session::exposure()
};

struct Written {
  std::optional<Refusal> refusal;
  common::WallTime server_now{};
};

class Sink {
 public:
  /// After each connection: makes what is missing, and says where `agent_id` stands.
  Opened open(Session& session, const std::string& agent_id);
  /// What PostgreSQL holds of the agent in (`behind`, `through`] of each kind.
  storage::Marks marks(Session& session, const std::string& agent_id, const storage::Cursor& behind,
                       const storage::Cursor& through);
  /// Of those agents that are there.
  std::unordered_map<std::string, storage::Cursor> heads(Session& session, const std::vector<std::string>& agent_ids);
  /// One transaction. A statement that is refused is part of the answer; Unavailable and IdentityShared are thrown.
  Written write(Session& session, const storage::Batch& batch, const Part& part);
  /// Whether the table of `kind`, not results, takes a row of `batch`'s agent that nothing is wrong with. Leaves
  /// nothing behind.
  bool takes(Session& session, const storage::Batch& batch, Kind kind);
  /// Believe nothing about partitions any more: somebody dropped one.
  void forget_partitions() { days_.clear(); }

 private:
  struct Agent {
    int id = 0;
    storage::Cursor head;
  };

  enum class How { kCopy, kInsert };

  Written attempt(Session& session, const storage::Batch& batch, const Part& part, How how);
  void write_checked(Session& session, const storage::Batch& batch, const Part& part, How how, Written& written);
  void ensure_days(Session& session, const storage::Batch& batch, Range rows);
  /// Locks the row.
  std::optional<Agent> find_agent(Transaction& transaction, const std::string& agent_id);
  Agent add_agent(Transaction& transaction, const std::string& agent_id);
  Agent& current_agent(Transaction& transaction, const std::string& agent_id);
  /// `now`: the server's time.
  void copy_results(Transaction& transaction, int agent, const storage::Batch& batch, Range rows, common::WallTime now);
  void insert_results(Transaction& transaction, int agent, const storage::Batch& batch, Range rows);
  void add_skipped(Transaction& transaction, int agent, std::span<const storage::StoredSkipped> rows);
  static void add_gaps(Transaction& transaction, int agent, std::span<const storage::StoredGap> rows);

  std::string agent_id_;                           ///< of the current epoch
  std::unordered_map<std::string, Agent> agents_;  ///< as last seen, so that an emptied table gets its old numbers back
  Dimension<storage::StoredDefinition, DefinitionColumns> definitions_;
  Dimension<storage::StoredTls, TlsColumns> tls_;
  std::set<std::chrono::sys_days> days_;  ///< that have a partition
  Repertoire repertoire_ = Repertoire::kAll;
  bool copies_ = true;     ///< no COPY has been refused that an INSERT could do
  ResultColumns results_;  ///< its memory is used again for every batch
};

}  // namespace monitor::exporter
