// The composition root of `monitor start`: builds the parts, runs them, stops them in order.
#pragma once

#include "config/settings.h"

namespace monitor::app {

/// Blocks until a signal or a fatal fault. Returns the exit status: 0 after an orderly stop, 1 after a failure, 130
/// after a second signal. Throws common::Error when it cannot start: a UsageError where another start would find the
/// same.
int run(config::Settings settings, bool notify_systemd);

}  // namespace monitor::app
