#include "app/memory_watch.h"

#include <algorithm>
#include <utility>

#include "common/log.h"

namespace monitor::app {

namespace log = common::log;

MemoryWatch::MemoryWatch(std::function<bool()> is_short, std::function<bool()> take_back)
    : is_short_(std::move(is_short)), take_back_(std::move(take_back)) {}

void MemoryWatch::turn(common::SteadyTime now) {
  if (!is_short_()) return;
  if (!short_since_) {
    short_since_ = now;
    const bool again = over_since_ && now - *over_since_ <= kCalm;
    pause_ = again ? std::min(2 * pause_, kLongestPause) : kPause;
    log::error(
        "There is no memory left but a reserve: no check begins, and the slots are skipped, until there is more. Raise "
        "the limit (ulimit -v, or prlimit --as for this process), shorten timeouts or poll less often.");
    return;
  }
  if (now - *short_since_ < pause_ || !take_back_()) return;
  log::warning("There is memory again, after {}: checks may begin.",
               common::format_duration(std::chrono::ceil<std::chrono::seconds>(now - *short_since_)));
  over_since_ = now;
  short_since_.reset();
}

}  // namespace monitor::app
