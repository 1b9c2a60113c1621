#include "storage/rows.h"

namespace monitor::storage {

std::string_view name_of(SkipReason reason) {
  switch (reason) {
    case SkipReason::kStillRunning:
      return "still_running";
    case SkipReason::kPoolExhausted:
      return "pool_exhausted";
    case SkipReason::kSuspended:
      return "suspended";
    case SkipReason::kStopping:
      return "stopping";
    case SkipReason::kRateLimited:
      return "rate_limited";
    case SkipReason::kRetryAfter:
      return "retry_after";
  }
  return "unknown";
}

std::string_view name_of(GapReason reason) {
  switch (reason) {
    case GapReason::kDiskFull:
      return "disk_full";
    case GapReason::kSizeCap:
      return "size_cap";
    case GapReason::kRemoteLost:
      return "remote_lost";
    case GapReason::kNotRunning:
      return "not_running";
    case GapReason::kUnstored:
      return "unstored";
    case GapReason::kRefused:
      return "refused";
    case GapReason::kFileLost:
      return "file_lost";
  }
  return "unknown";
}

}  // namespace monitor::storage
