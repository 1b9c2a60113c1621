#include "collector/retention.h"

namespace monitor::collector {
namespace {

common::Micros offset_of(common::WallTime wall, common::SteadyTime steady) {
  return wall.time_since_epoch() - std::chrono::duration_cast<common::Micros>(steady.time_since_epoch());
}

bool is_step(common::Micros difference) {
  return std::chrono::abs(difference) > Retention::kStep;
}

}  // namespace

std::optional<common::WallTime> Retention::cut_off(const Moment& moment) {
  watch(moment);
  if (suspended() || !moment.newest) return std::nullopt;
  // "Older than" includes what is just as old: with a retention of 0 the newest goes too.
  return *moment.newest - keep_ + common::Micros{1};
}

void Retention::watch(const Moment& moment) {
  const common::Micros offset = offset_of(moment.wall, moment.steady);
  if (!trusted_) trusted_ = only_copy_ && moment.newest ? offset_of(*moment.newest, moment.steady) : offset;
  step_ = offset - *trusted_;
  if (!is_step(step_)) {
    // Small differences are the clock being kept right: they are followed.
    trusted_ = offset;
    doubted_since_.reset();
    return;
  }
  if (!doubted_since_ || is_step(offset - doubted_)) {
    doubted_ = offset;
    doubted_since_ = moment.steady;
  }
  if (moment.steady - *doubted_since_ >= kProof) {
    trusted_ = offset;
    doubted_since_.reset();
  }
}

}  // namespace monitor::collector
