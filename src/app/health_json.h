// The daemon's health as JSON, for the control socket. Pure.
#pragma once

#include <boost/json/object.hpp>

#include "app/health.h"

namespace monitor::app {

/// Durations are in seconds, `last_commit_ago_s` with a fraction; what does not apply is null.
boost::json::object to_json(const Health& health);

}  // namespace monitor::app
