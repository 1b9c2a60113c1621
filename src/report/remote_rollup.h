// Roll-ups as PostgreSQL has them. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "report/postgres.h"
#include "storage/rollup.h"

namespace monitor::report {

/// Adds a row of a tier, its columns in the order of TierColumn.
void add_row(const RemoteRow& row, storage::Rollup& sum);
/// Adds `histograms` of a tier. False: it is not what docs/data-model.md says, and a part of it was left out.
bool add_histograms(std::span<const std::uint8_t> bytes, storage::Rollup& sum);
/// Takes off what was added before. The greatest lateness stays.
void subtract(storage::Rollup& sum, const storage::Rollup& part);

/// A reason that this version does not know is one that no version has.
storage::SkipReason skip_reason_of(std::string_view name);

/// Where each bucket of common::Histogram from the second on begins, as width_bucket() takes it.
std::string bucket_begins();

}  // namespace monitor::report
