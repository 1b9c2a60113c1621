// Rows of the local database as the columns of an INSERT … SELECT FROM unnest(…). Pure.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exporter/array_literal.h"
#include "storage/rows.h"

namespace monitor::exporter {

/// One string for each column, built side by side. $1 of the statement is the agent's number where there is one.
template <std::size_t N>
class Columns {
 public:
  void clear() {
    for (auto& column : columns_) column.clear();
    rows_ = 0;
  }
  bool empty() const { return rows_ == 0; }
  std::vector<std::string> close() {
    std::vector<std::string> parameters;
    parameters.reserve(N + 1);
    for (auto& column : columns_) parameters.push_back(column.close());
    return parameters;
  }
  std::vector<std::string> close(int agent) {
    auto parameters = close();
    parameters.insert(parameters.begin(), std::to_string(agent));
    return parameters;
  }

 protected:
  std::array<ArrayLiteral, N> columns_;
  std::size_t rows_ = 0;
};

/// As decode(…, 'hex') wants it.
std::string hex(std::span<const std::uint8_t> bytes);

class ResultColumns : public Columns<21> {
 public:
  static const std::string kInsert;
  /// `definition` and `tls` are the server's numbers; 0: none.
  void add(const storage::StoredResult& row, int definition, int tls, Repertoire repertoire);
};

class DefinitionColumns : public Columns<11> {
 public:
  static constexpr std::string_view kTable = "monitoring_definitions";
  static const std::string kInsert;         ///< the server gives the numbers
  static const std::string kInsertWithIds;  ///< the numbers they had before
  explicit DefinitionColumns(Repertoire repertoire) : repertoire_(repertoire) {}
  void add(const storage::StoredDefinition& row, int id);

 private:
  Repertoire repertoire_;
};

class TlsColumns : public Columns<9> {
 public:
  static constexpr std::string_view kTable = "monitoring_tls";
  static const std::string kInsert;         ///< the server gives the numbers
  static const std::string kInsertWithIds;  ///< the numbers they had before
  explicit TlsColumns(Repertoire repertoire) : repertoire_(repertoire) {}
  void add(const storage::StoredTls& row, int id);

 private:
  Repertoire repertoire_;
};

class SkippedColumns : public Columns<6> {
 public:
  static const std::string kInsert;
  void add(const storage::StoredSkipped& row, int definition);
};

class GapColumns : public Columns<7> {
 public:
  static const std::string kInsert;
  void add(const storage::StoredGap& row);
};

}  // namespace monitor::exporter
