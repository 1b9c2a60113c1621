// When a batch leaves: enough rows, an old enough row, or a backlog. Pure; its owner brings the time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/units.h"

namespace monitor::exporter {

/// So many rows do not wait for more.
inline constexpr std::size_t kBatchRows = 5000;
/// How long a row waits for company.
inline constexpr std::chrono::milliseconds kBatchAge{1000};

class Batching {
 public:
  /// Something new waits to be exported.
  void arrived(common::SteadyTime now) {
    if (!waiting_since_) waiting_since_ = now;
  }
  /// A batch was taken; `more`: at least as much as it held is left behind.
  void taken(bool more, common::SteadyTime now) {
    waiting_since_ = more ? std::optional(now - kBatchAge) : std::nullopt;
  }
  bool due(common::SteadyTime now, std::int64_t backlog) const {
    return waiting_since_ && (backlog >= static_cast<std::int64_t>(kBatchRows) || now >= due_at());
  }
  /// When a batch is due whatever its size; the end of time when nothing waits.
  common::SteadyTime due_at() const { return waiting_since_ ? *waiting_since_ + kBatchAge : common::SteadyTime::max(); }

 private:
  std::optional<common::SteadyTime> waiting_since_;
};

}  // namespace monitor::exporter
