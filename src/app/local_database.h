// The local database for a command: through the daemon that runs on it, or by itself while none does. Blocks; any
// thread, without an io loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

namespace monitor::app {

/// Has the daemon carry out one of store_commands(), or, where none runs, carries it out here: what only reads on a
/// connection that never writes, anything else with the database opened under its lock. Throws common::Error: no
/// database, a daemon that does not answer within `limit`, what the command itself refuses.
boost::json::object perform(const std::filesystem::path& database, const boost::json::object& request,
                            std::chrono::milliseconds limit = std::chrono::seconds{30});

}  // namespace monitor::app
