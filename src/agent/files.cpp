#include "agent/files.h"

#include <algorithm>

#include "agent/options.h"

namespace monitor::agent {
namespace {

constexpr std::size_t kIdleShare = 4;

}  // namespace

std::size_t connections_kept(const std::vector<probe::Service>& services) {
  std::size_t kept = 0;
  for (const auto& service : services) {
    const auto& spec = service.spec();
    if (spec.reuse) kept += 1 + (spec.redirects.follow ? static_cast<std::size_t>(spec.redirects.max) : 0);
  }
  return kept;
}

Files share_out(std::size_t open_files, std::size_t kept) {
  Files files;
  files.idle = std::min({kept, open_files / kIdleShare, kMostChecksAtOnce});
  const auto taken = kReservedFiles + kFewestSpare + files.idle;
  const auto left = open_files - std::min(taken, open_files);
  files.checks = std::clamp<std::size_t>(left, 1, kMostChecksAtOnce);
  files.spare = kFewestSpare + left - std::min(files.checks, left);
  return files;
}

std::size_t files_needed(std::size_t checks, std::size_t kept) {
  const auto without = checks + kReservedFiles + kFewestSpare;
  const auto with_share = kIdleShare * (without - 1) / (kIdleShare - 1) + 1;
  return std::min(without + std::min(kept, kMostChecksAtOnce), with_share);
}

}  // namespace monitor::agent
