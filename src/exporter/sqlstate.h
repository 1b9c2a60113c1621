// What to do about an SQLSTATE (PostgreSQL documentation, appendix A). Pure.
#pragma once

#include <string_view>

namespace monitor::exporter {

enum class Reaction {
  kRetry,  ///< nothing is wrong with rows or table: the same batch again, later, on a new connection
  kTable,  ///< may be the table's fault (a missing partition, an emptied dimension): mend it and retry before bisecting
  kRow,    ///< a row's fault: halve the batch until it is found
  kStop    ///< an operator has to act: keep the rows, say so, try again now and then
};

/// Unknown states stop: they neither cost a row nor end the program. Empty: the connection broke.
Reaction reaction_to(std::string_view sqlstate);
/// What the operator can do about `sqlstate`; empty when there is nothing more to say than the server did.
std::string_view advice_for(std::string_view sqlstate);

}  // namespace monitor::exporter
