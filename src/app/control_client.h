// Asks the daemon that runs on a database, over its control socket. Blocks; any thread.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>

#include <boost/json/object.hpp>

#include "common/error.h"

namespace monitor::app::control {

/// A daemon is there, and does not answer in time: it hangs, or is stopped.
class NoAnswer : public common::Error {
 public:
  using common::Error::Error;
};

/// `request` has at least `command`. Nothing: no daemon runs on `database`, so it may be opened instead. Throws
/// NoAnswer, and common::Error where the daemon refuses (its sentence) or may not be asked.
std::optional<boost::json::object> ask(const std::filesystem::path& database, const boost::json::object& request,
                                       std::chrono::milliseconds limit = std::chrono::seconds{5});

}  // namespace monitor::app::control
