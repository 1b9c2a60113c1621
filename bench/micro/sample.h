// Rows as a passed check leaves them, and how a benchmark tells its cost per item. Pure.
#pragma once

#include <benchmark/benchmark.h>
#include <cstdint>
#include <string>

#include "storage/rows.h"

namespace monitor::bench {

/// Makes `per_item` the seconds that one item of `count` in each iteration takes.
inline void count_items(benchmark::State& state, std::size_t count) {
  state.counters["per_item"] = benchmark::Counter(
      static_cast<double>(count), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

/// The fields of a check over a fresh connection to a literal address. `number` makes each differ a little.
inline void fill(storage::Result& row, std::int64_t number, common::WallTime at) {
  row.definition = 1 + number % 500;
  row.requested_at = at + common::Micros{number * 59};
  row.status = 200;
  row.remote_address = "127.20.0." + std::to_string(1 + number % 250);
  row.connect = common::Micros{41 + number % 20};
  row.first_byte = common::Micros{130 + number % 50};
  row.transfer = common::Micros{3};
  row.total = common::Micros{190 + number % 70};
  row.lateness = common::Micros{70 + number % 500};
  row.body_bytes = 105;
}

}  // namespace monitor::bench
