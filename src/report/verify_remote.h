// What PostgreSQL holds of each agent, by the numbers of its results. One thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "report/ledgers.h"
#include "report/postgres.h"
#include "report/verify.h"
#include "storage/row_sums.h"

namespace monitor::report {

/// One transaction: everything is as it was at its beginning. Partitions are read one after the other, so that no
/// statement takes long. Everything throws common::Error.
class RemoteLedgers {
 public:
  /// `since`: the beginning of a day, before which no partition is read.
  RemoteLedgers(const std::string& uri, const VerifyOptions& options, std::optional<common::WallTime> since);

  /// Every agent, with its number and heads alone.
  const std::map<std::string, LedgerThere>& agents() const { return agents_; }
  /// All there is to say of one of agents().
  LedgerThere read(const std::string& agent_id);
  /// Results that PostgreSQL has under several of these agents, which are of one file, figure for figure: all of them
  /// are counted, and the first given.
  std::pair<std::int64_t, std::vector<TwiceStored>> copies(const std::vector<std::string>& agent_ids);
  /// The lowest number of the results since `since`, of the agent that was read last; 0: there are none.
  storage::Seq first_since() const { return first_since_; }

  std::vector<storage::RowSum> row_sums(const LedgerThere& agent, SeqRange range);
  /// A number that is there twice has two values.
  std::vector<std::pair<storage::Seq, std::int64_t>> row_values(const LedgerThere& agent, SeqRange range);

 private:
  void read_agents();
  void read_partitions();
  void read_results(LedgerThere& agent);
  void read_repeated(LedgerThere& agent, const std::string& partition);
  void read_twice(LedgerThere& agent, const std::string& partition);
  void read_skipped(LedgerThere& agent);
  void read_removed(LedgerThere& agent);
  void read_gaps(LedgerThere& agent);

  Remote remote_;
  const VerifyOptions& options_;
  std::optional<common::WallTime> since_;
  std::map<std::string, LedgerThere> agents_;
  std::vector<std::string> partitions_;
  bool rollups_ = false;
  storage::Seq first_since_ = 0;
};

/// How far `agent_id` has got by now; zeros: it is not known there.
storage::Cursor heads(const std::string& uri, const std::string& agent_id);

/// Throws common::Error where there are no results of ours.
void require_results(const std::string& uri);

}  // namespace monitor::report
