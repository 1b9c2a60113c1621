#include <array>

#include "agent/schedule.h"
#include "common/text.h"
#include "micro/sample.h"

namespace monitor::bench {
namespace {

using namespace std::chrono_literals;

/// One slot taken, run and ended, of so many services.
void schedule_slot(benchmark::State& state) {
  const auto services = static_cast<std::size_t>(state.range(0));
  const common::SteadyTime start{1h};
  std::vector<agent::Phase> phases;
  phases.reserve(services);
  for (std::size_t i = 0; i < services; ++i) {
    phases.push_back(
        agent::first_slots(start, common::stable_hash("s" + std::to_string(i)), 60s, common::Micros{1}, std::nullopt));
  }
  agent::Schedule schedule(phases);
  std::vector<agent::Slot> ready;
  std::vector<agent::MissedSlots> missed;
  std::size_t slots = 0;
  for (auto _ : state) {
    ready.clear();
    schedule.take_due(*schedule.next_due(), false, ready, missed);
    for (const auto& slot : ready) {
      schedule.started(slot.service);
      schedule.finished(slot.service);
    }
    slots += ready.size();
  }
  if (!missed.empty()) state.SkipWithError("a slot was missed");
  state.counters["per_item"] =
      benchmark::Counter(static_cast<double>(slots), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(schedule_slot)->Arg(100)->Arg(10'000)->Arg(100'000);

}  // namespace
}  // namespace monitor::bench
