// From what the configuration and the prober say to what the store keeps. Pure.
#pragma once

#include "probe/options.h"
#include "probe/prober.h"
#include "storage/rows.h"

namespace monitor::agent {

/// Without secrets: `${NAME}` stays unexpanded, user and password are gone from the URL.
storage::Definition to_definition(const probe::Service& service);

/// `attempt`: 0 for the check of a slot.
storage::Result to_result(probe::Observation&& seen, storage::DefinitionId definition, common::Micros lateness,
                          std::uint16_t attempt = 0);

}  // namespace monitor::agent
