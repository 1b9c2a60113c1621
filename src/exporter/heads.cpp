#include "exporter/heads.h"

#include <algorithm>

namespace monitor::exporter {
namespace {

using Kind = std::int64_t storage::Cursor::*;

struct OneKind {
  Standing standing = Standing::kAsExpected;
  std::int64_t arrived = 0;
  std::int64_t through = 0;
};

OneKind compare_kind(const storage::Identity& local, std::int64_t remote, const Agreement& agreement, bool shared,
                     Kind kind) {
  const std::int64_t before_first = local.first.*kind - 1;
  const std::int64_t confirmed = std::max(local.exported.*kind, before_first);
  OneKind found{.arrived = std::max(remote, before_first)};
  const std::int64_t may_be_ours = std::max({agreement.same(), confirmed, shared ? confirmed : local.ours.*kind});
  found.through =
      agreement.differs() ? agreement.same() : std::clamp(may_be_ours, confirmed, std::max(found.arrived, confirmed));
  if (agreement.differs() || found.arrived > may_be_ours) {
    found.standing = Standing::kAhead;
  } else if (local.exported.*kind > found.arrived) {
    found.standing = Standing::kBehind;
  }
  return found;
}

}  // namespace

void Agreement::take(std::span<const storage::Mark> here, std::span<const storage::Mark> there, std::int64_t head) {
  auto mine = here.begin();
  for (const auto& row : there) {
    if (differs_) return;
    while (mine != here.end() && mine->number < row.number) ++mine;
    const bool known = mine != here.end() && mine->number == row.number;
    if (row.number > head || (known && *mine != row)) {
      differs_ = true;
    } else if (known) {
      same_ = row.number;
    }
  }
}

storage::Cursor confirmed(const storage::Identity& local) {
  return {.results = std::max(local.exported.results, local.first.results - 1),
          .skipped = std::max(local.exported.skipped, local.first.skipped - 1),
          .gaps = std::max(local.exported.gaps, local.first.gaps - 1)};
}

Comparison compare(const storage::Identity& local, const storage::Cursor& remote, const Agreements& agreements,
                   bool shared) {
  using storage::Cursor;
  const auto results = compare_kind(local, remote.results, agreements.results, shared, &Cursor::results);
  const auto skipped = compare_kind(local, remote.skipped, agreements.skipped, shared, &Cursor::skipped);
  const auto gaps = compare_kind(local, remote.gaps, agreements.gaps, shared, &Cursor::gaps);
  const auto any = [&](Standing standing) {
    return results.standing == standing || skipped.standing == standing || gaps.standing == standing;
  };
  Comparison found{.arrived = {.results = results.arrived, .skipped = skipped.arrived, .gaps = gaps.arrived},
                   .through = {.results = results.through, .skipped = skipped.through, .gaps = gaps.through}};
  if (any(Standing::kAhead)) {
    found.standing = Standing::kAhead;
  } else if (any(Standing::kBehind)) {
    found.standing = Standing::kBehind;
    found.arrived = {.results = std::min(found.arrived.results, local.exported.results),
                     .skipped = std::min(found.arrived.skipped, local.exported.skipped),
                     .gaps = std::min(found.arrived.gaps, local.exported.gaps)};
  }
  return found;
}

storage::Cursor back_to(const storage::Cursor& arrived, const storage::EpochStand& epoch,
                        const storage::Cursor& remote) {
  const auto of = [&](Kind kind) {
    if (remote.*kind >= epoch.sent.*kind) return arrived.*kind;
    return std::min(arrived.*kind, std::max(remote.*kind, epoch.first.*kind - 1));
  };
  return {.results = of(&storage::Cursor::results),
          .skipped = of(&storage::Cursor::skipped),
          .gaps = of(&storage::Cursor::gaps)};
}

}  // namespace monitor::exporter
