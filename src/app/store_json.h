// What the store tells an operator, as JSON. Pure.
#pragma once

#include <boost/json/object.hpp>

#include "storage/quarantine.h"
#include "storage/stats.h"

namespace monitor::app {

/// Sizes are in bytes, times RFC 3339 in UTC; what there is none of is null.
boost::json::object to_json(const storage::Stats& stats);
boost::json::object to_json(const storage::QuarantinedRow& row);

}  // namespace monitor::app
