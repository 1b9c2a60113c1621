// Which skipped ranges PostgreSQL ought to have, by their numbers. Pure.
#pragma once

#include "report/ledgers.h"

namespace monitor::report {

/// Of an agent of this file: those that had arrived, or are gone here, and are not there. Of numbers below which ranges
/// may have been removed there for their age nothing is said.
SeqSet missing_skipped(const Ledgers& ledgers);

/// Where of none can be told whether it is expected there: those that are not there. Nothing where only later ones were
/// asked for.
SeqSet uncompared_skipped(const Ledgers& ledgers);

/// Those that PostgreSQL has under this id though this file never gave their numbers.
SeqSet strange_skipped(const Ledgers& ledgers);

}  // namespace monitor::report
