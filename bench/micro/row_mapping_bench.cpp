#include "agent/row.h"
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

/// Rows of the local database become the parameters of an INSERT.
void columns_from_rows(benchmark::State& state) {
  std::vector<storage::StoredResult> rows(5000);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].seq = static_cast<storage::Seq>(i + 1);
    fill(rows[i], static_cast<std::int64_t>(i), common::WallTime{std::chrono::hours{500'000}});
  }
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
