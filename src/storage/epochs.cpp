#include "storage/epochs.h"

#include <limits>

#include "storage/uuid.h"

namespace monitor::storage {

Epochs::Epochs(Database& database) : database_(database) {
  reload();
}

void Epochs::open(const Cursor& head) {
  const std::string agent_id = make_uuid();
  database_
      .prepare("INSERT INTO epochs (agent_id, first_seq, first_skipped, first_gap) VALUES (?1, ?2 + 1, ?3 + 1, ?4 + 1)")
      .run(std::string_view(agent_id), head.results, head.skipped, head.gaps);
  reload();
}

void Epochs::reload() {
  constexpr auto kUnbounded = std::numeric_limits<std::int64_t>::max();
  all_.clear();
  auto select = database_.prepare("SELECT agent_id, first_seq, first_skipped, first_gap FROM epochs ORDER BY id");
  auto rows = select.query();
  while (rows.next()) {
    const Cursor first{.results = rows.integer(1), .skipped = rows.integer(2), .gaps = rows.integer(3)};
    if (!all_.empty()) all_.back().end = first;
    all_.push_back({.agent_id = std::string(rows.text(0)),
                    .first = first,
                    .end = {.results = kUnbounded, .skipped = kUnbounded, .gaps = kUnbounded}});
  }
}

}  // namespace monitor::storage
