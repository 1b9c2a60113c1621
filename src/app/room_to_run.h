// Whether there is memory enough to run at all.
#pragma once

namespace monitor::app {

/// Throws where there is not: common::UsageError where a limit of the process is why, which another start would find
/// again; common::Error where it is the machine that has none left now, which only a common::MemoryReserve tells.
void require_room_to_run();

}  // namespace monitor::app
