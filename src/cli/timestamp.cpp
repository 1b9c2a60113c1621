#include "cli/timestamp.h"

#include <algorithm>

namespace monitor::cli {

std::string timestamp(common::WallTime time) {
  std::string text = common::format_time(time);
  std::ranges::replace(text, ' ', 'T');
  return text + "Z";
}

double seconds_of(common::Micros duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace monitor::cli
