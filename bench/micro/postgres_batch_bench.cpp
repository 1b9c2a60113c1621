#include <cstdlib>

#include "exporter/sink.h"
#include "micro/sample.h"

namespace monitor::bench {
namespace {

storage::Batch make_batch(const std::string& agent_id, std::int64_t definitions) {
  storage::Batch batch;
  batch.agent_id = agent_id;
  batch.results.resize(5000);
  for (std::int64_t id = 1; id <= definitions; ++id) {
    storage::StoredDefinition definition;
    definition.id = id;
    definition.key = definition.name = "s" + std::to_string(id);
    definition.url = "http://127.0.0.1/";
    definition.method = "GET";
    definition.fingerprint = {static_cast<std::uint8_t>(id), static_cast<std::uint8_t>(id >> 8), 1};
    batch.definitions.push_back(std::make_shared<const storage::StoredDefinition>(std::move(definition)));
  }
  return batch;
}

void renumber(storage::Batch& batch, storage::Seq from, common::WallTime now) {
  for (auto& row : batch.results) {
    fill(row, from, now);
    row.definition = 1 + from % static_cast<std::int64_t>(batch.definitions.size());
    row.seq = from++;
    row.stored_at = row.requested_at;
  }
}

/// One batch of 5000 rows of so many services, committed. The server is the one that MONITOR_BENCH_POSTGRES names: what
/// is there already is left alone, but the rows stay.
void postgres_batch(benchmark::State& state) {
  const char* uri = std::getenv("MONITOR_BENCH_POSTGRES");
  if (uri == nullptr) return state.SkipWithError("MONITOR_BENCH_POSTGRES names no server");
  exporter::Breaker breaker;
  const auto session = exporter::Session::open(uri, exporter::Limits{}, breaker);
  exporter::Sink sink;
  const auto now = std::chrono::time_point_cast<common::Micros>(std::chrono::system_clock::now());
  const std::string agent_id =
      fmt::format("00000000-0000-4000-8000-{:012x}", now.time_since_epoch().count() & 0xffffffffffff);
  sink.open(*session, agent_id);
  auto batch = make_batch(agent_id, state.range(0));
  storage::Cursor head;
  for (auto _ : state) {
    state.PauseTiming();
    renumber(batch, head.results + 1, now);
    head.results += static_cast<storage::Seq>(batch.results.size());
    state.ResumeTiming();
    const auto written = sink.write(*session, batch, exporter::Part::all_of(batch, head));
    if (written.refusal) return state.SkipWithError(written.refusal->reason.c_str());
  }
  count_items(state, batch.results.size());
}
BENCHMARK(postgres_batch)->Arg(100)->Arg(5000)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace monitor::bench
