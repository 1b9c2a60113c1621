// Results as lines of a COPY in its text format, built in one string that is used again. Pure.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "exporter/array_literal.h"
#include "storage/rows.h"

namespace monitor::exporter {

/// PostgreSQL documentation, COPY, "Text Format". Text and not binary: it costs the server the same, takes half of the
/// room on the way, and a column whose type somebody changed takes it or refuses it, but never reads it as another.
class CopyLines {
 public:
  static const std::string kCopy;

  /// Of rows of agent number `agent` that arrive at `server_now`.
  CopyLines(int agent, common::WallTime server_now, Repertoire repertoire);
  /// Appends one line to `out`. `definition` and `tls` are the server's numbers; 0: none.
  void add(const storage::StoredResult& row, int definition, int tls, std::string& out);

 private:
  friend class CopyFields;

  std::string agent_;
  common::WallTime server_now_;
  Repertoire repertoire_;
  std::chrono::sys_days day_{};
  std::string date_;  ///< of day_, and a blank
};

}  // namespace monitor::exporter
