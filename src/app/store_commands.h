// What an operator may ask of the local database, by the daemon's connection or, while none runs, by one of this
// process. io thread only.
#pragma once

#include <map>
#include <string>

#include "app/control_server.h"
#include "storage/reader.h"
#include "storage/store.h"

namespace monitor::app {

/// At most so many rows of the quarantine are in one answer.
inline constexpr std::size_t kQuarantinePage = 500;

/// `db-stats`; `db-compact`, a step of about a second, with `more` while there is more to do; `quarantine-list`
/// (`after`: a number); `quarantine-retry` and `quarantine-drop` (`seqs`: numbers, or `all`: true). `store` outlives
/// them.
std::map<std::string, control::Server::Handler> store_commands(storage::Store& store);

/// The answer to `quarantine-list` where no daemon runs.
boost::json::object quarantine_page(storage::Reader& reader, const boost::json::object& request);

}  // namespace monitor::app
