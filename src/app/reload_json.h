// A reload as the control socket tells of it. Pure but for looking at what file a path leads to.
#pragma once

#include <filesystem>

#include <boost/json/object.hpp>

#include "app/reload.h"

namespace monitor::app {

boost::json::object to_json(const Reloaded& reloaded);

/// Throws common::Error if `request` names, as `file`, another file than the one in force.
void require_file(const boost::json::object& request, const std::filesystem::path& in_force);

}  // namespace monitor::app
