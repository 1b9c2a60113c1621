#include "app/room_to_run.h"

#include <cstddef>

#include <fmt/format.h>

#include "common/error.h"
#include "common/memory.h"
#include "common/units.h"

namespace monitor::app {
namespace {

/// Addresses that workers ask for once they run, for services, statements and threads. With less the reserve would be
/// used up before the first check.
constexpr std::size_t kRoomToRun = std::size_t{32} << 20;

}  // namespace

void require_room_to_run() {
  const bool room = common::is_room_for(kRoomToRun);
  if (room && !common::is_memory_short()) return;
  const auto limits = common::memory_limits();
  if (limits.addresses && (!room || !limits.data)) {
    throw common::UsageError(
        fmt::format("there is too little memory to start: 32 MiB of addresses must be left when everything is made "
                    "ready, beside a reserve of 16 MiB, and the limit is {}; raise it (LimitAS= of the unit, or ulimit "
                    "-v)",
                    common::format_size(*limits.addresses)));
  }
  if (limits.data) {
    throw common::UsageError(
        fmt::format("there is too little memory to start: a reserve of 16 MiB must be left when everything is made "
                    "ready, and the limit of data is {}; raise it (LimitDATA= of the unit, or ulimit -d)",
                    common::format_size(*limits.data)));
  }
  throw common::Error(
      "there is too little memory to start: the machine has none left to give, though no limit of this process is in "
      "the way; end something else, or see vm.overcommit_memory");
}

}  // namespace monitor::app
