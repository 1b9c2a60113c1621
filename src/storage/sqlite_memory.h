// How SQLite allocates: as operator new does, through the new handler, so that it gets the reserve when there is one.
#pragma once

namespace monitor::storage {

/// To be called before SQLite is used; a second call does nothing. Any thread.
void share_memory_reserve();

}  // namespace monitor::storage
