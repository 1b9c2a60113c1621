#include "agent/punctuality.h"

#include <utility>

namespace monitor::agent {

std::optional<Punctuality::Share> Punctuality::turn(common::SteadyTime now, std::size_t all, std::size_t late) {
  std::optional<Share> changed;
  if (!end_) end_ = now + kPeriod;
  if (now >= *end_) {
    end_ = now + kPeriod;
    const auto ended = std::exchange(share_, {});
    const bool is_late = ended.late >= kFew && ended.late * kOneOf > ended.all;
    if (std::exchange(late_, is_late) != is_late) changed = ended;
  }
  share_.all += all;
  share_.late += late;
  return changed;
}

}  // namespace monitor::agent
