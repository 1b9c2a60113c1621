// The predecessor's table in PostgreSQL put behind our view, for a person who asks. On the calling thread.
#pragma once

#include <string>

namespace monitor::app {

/// Says what was done, or that there was nothing to do. Throws common::Error, without a secret of `uri`, when
/// PostgreSQL cannot be reached or the table cannot be adopted; then nothing has changed.
std::string adopt_original(const std::string& uri);

}  // namespace monitor::app
