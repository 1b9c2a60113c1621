#include "agent/row.h"
#include "exporter/copy_lines.h"
#include "exporter/row_columns.h"
#include "micro/sample.h"

namespace monitor::bench {
namespace {

probe::Observation passed() {
  probe::Observation seen;
  seen.status = 200;
  seen.remote_address = "127.20.0.1";
  seen.phases.connect = common::Micros{41};
  seen.phases.first_byte = common::Micros{130};
  seen.phases.transfer = common::Micros{3};
  seen.total = common::Micros{190};
  seen.body_bytes = 105;
  return seen;
}

/// What was observed becomes a row of the local database.
void row_from_observation(benchmark::State& state) {
  for (auto _ : state) {
    auto seen = passed();
    benchmark::DoNotOptimize(agent::to_result(std::move(seen), 7, common::Micros{70}));
  }
  count_items(state, 1);
}
BENCHMARK(row_from_observation);

constexpr common::WallTime kBegin{std::chrono::hours{500'000}};

std::vector<storage::StoredResult> stored_rows() {
  std::vector<storage::StoredResult> rows(5000);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].seq = static_cast<storage::Seq>(i + 1);
    fill(rows[i], static_cast<std::int64_t>(i), kBegin);
    rows[i].stored_at = rows[i].requested_at + common::Micros{5000};
  }
  return rows;
}

/// Rows of the local database become the lines of a COPY, as each batch goes to PostgreSQL.
void copy_lines_from_rows(benchmark::State& state) {
  const auto rows = stored_rows();
  exporter::CopyLines lines(1, kBegin + std::chrono::seconds{2}, exporter::Repertoire::kAll);
  std::string out;
  for (auto _ : state) {
    out.clear();
    for (const auto& row : rows) lines.add(row, 7, 0, out);
    benchmark::DoNotOptimize(out.data());
  }
  count_items(state, rows.size());
}
BENCHMARK(copy_lines_from_rows)->Unit(benchmark::kMillisecond);

/// They become the parameters of an INSERT, which is what a batch goes by of which the server refused a row.
void columns_from_rows(benchmark::State& state) {
  const auto rows = stored_rows();
  exporter::ResultColumns columns;
  for (auto _ : state) {
    columns.clear();
    for (const auto& row : rows) columns.add(row, 7, 0, exporter::Repertoire::kAll);
    benchmark::DoNotOptimize(columns.close(1));
  }
  count_items(state, rows.size());
}
BENCHMARK(columns_from_rows)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace monitor::bench
