// What the remote head says about the local file, and the local cursor about PostgreSQL. Pure.
#pragma once

#include <algorithm>

#include "storage/rows.h"

namespace monitor::exporter {

enum class Standing {
  kAsExpected,
  kAhead,  ///< PostgreSQL holds what this file did not send: the file is a copy, or was restored
  kBehind  ///< PostgreSQL lacks what had arrived: it was restored, or failed over
};

struct Comparison {
  Standing standing = Standing::kAsExpected;
  storage::Cursor arrived;  ///< where PostgreSQL stands, in this file's numbers
};

/// `remote`: the heads stored with the agent, zeros when it is not known there.
inline Comparison compare(const storage::Identity& local, const storage::Cursor& remote) {
  // An epoch that has sent nothing yet stands before its first row, not at zero.
  const storage::Cursor arrived{std::max(remote.results, local.first.results - 1),
                                std::max(remote.skipped, local.first.skipped - 1),
                                std::max(remote.gaps, local.first.gaps - 1)};
  const auto above = [](const storage::Cursor& a, const storage::Cursor& b) {
    return a.results > b.results || a.skipped > b.skipped || a.gaps > b.gaps;
  };
  const storage::Cursor ours{std::max(local.ours.results, local.first.results - 1),
                             std::max(local.ours.skipped, local.first.skipped - 1),
                             std::max(local.ours.gaps, local.first.gaps - 1)};
  if (above(arrived, ours)) return {Standing::kAhead, arrived};
  if (above(local.exported, arrived)) {
    return {Standing::kBehind,
            {std::min(arrived.results, local.exported.results), std::min(arrived.skipped, local.exported.skipped),
             std::min(arrived.gaps, local.exported.gaps)}};
  }
  return {Standing::kAsExpected, arrived};
}

}  // namespace monitor::exporter
