// Finds the rows of a refused batch that PostgreSQL refuses; the others land meanwhile. io thread only.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "exporter/bisection.h"
#include "exporter/sink.h"

namespace monitor::exporter {

std::string_view name_of(Kind kind);
Refused as_exception(const Refusal& refusal);
/// It may be a matter of single rows, and not of the server or the link.
bool may_be_rows(const Refusal& refusal);

class RefusedRows {
 public:
  struct Server {
    std::function<boost::asio::awaitable<Written>(Part)> write;
    /// Whether the table of a kind takes a row that nothing is wrong with.
    std::function<boost::asio::awaitable<bool>(Kind)> takes;
  };

  /// `batch`, which was refused as a whole, and `budget` outlive it.
  RefusedRows(const storage::Batch& batch, RefusalBudget& budget, Server server)
      : batch_(batch), budget_(budget), server_(std::move(server)) {}

  /// Refused one by one, and within the budget, of which they are not spent yet. Throws Refused where the table is at
  /// fault, and what the server throws.
  boost::asio::awaitable<std::vector<BadRow>> results();
  /// The same of skipped ranges or gaps, which may have no neighbour; spent of the budget.
  boost::asio::awaitable<std::vector<BadRow>> others(Kind kind);

 private:
  boost::asio::awaitable<std::vector<BadRow>> halve(Kind kind);
  /// Those of `bad` that are refused once more.
  boost::asio::awaitable<std::vector<BadRow>> still_refused(Kind kind, std::vector<BadRow> bad);
  boost::asio::awaitable<void> blame_table(Kind kind, BadRow refused);
  std::size_t rows_of(Kind kind) const;

  const storage::Batch& batch_;
  RefusalBudget& budget_;
  Server server_;
};

}  // namespace monitor::exporter
