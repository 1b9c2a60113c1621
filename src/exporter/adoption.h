// The predecessor's table behind our view, so that whoever reads `monitoring` finds its rows and ours. One transaction
// on the calling thread.
#pragma once

#include <string>

#include "exporter/postgres.h"

namespace monitor::exporter {

enum class Adoption {
  kDone,
  kAlready,  ///< it was done before
  kNothing   ///< there is no table `monitoring`
};

/// Renames the table `monitoring` to `monitoring_original`, and makes the view `monitoring` over both, which belongs to
/// the role that our tables belong to; who might read the table may read the view. Throws Unavailable, or Refused with
/// a sentence that says what to do: our own tables are not there yet, the table is not the predecessor's, or is in use
/// or written to, something else depends on it, the new name is taken, or the role may not. Then nothing has changed.
Adoption adopt_original(Session& session);

}  // namespace monitor::exporter
