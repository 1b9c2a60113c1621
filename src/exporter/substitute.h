// What is sent in place of a skipped range or a gap that PostgreSQL refuses: a gap that says no more than that
// something is missing, so that it is not refused in turn. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "exporter/sink.h"
#include "storage/rows.h"

namespace monitor::exporter {

/// The number of row `index` of `kind`, which is not results.
std::int64_t number_of(const storage::Batch& batch, Kind kind, std::size_t index);
/// Nothing where that row is such a gap itself, refused nevertheless. `now`: the server's time.
std::optional<storage::Gap> gap_in_place_of(const storage::Batch& batch, Kind kind, std::size_t index,
                                            common::WallTime now);

}  // namespace monitor::exporter
