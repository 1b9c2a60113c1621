#include "storage/epochs.h"

#include <algorithm>
#include <limits>

#include "storage/uuid.h"

namespace monitor::storage {

Epochs::Epochs(Database& database) : database_(database) {
  reload();
}

void Epochs::open(const Cursor& through) {
  const std::string agent_id = make_uuid();
  const Cursor least = empty() ? Cursor{.results = 1, .skipped = 1, .gaps = 1} : current().first;
  database_.prepare("INSERT INTO epochs (agent_id, first_seq, first_skipped, first_gap) VALUES (?1, ?2, ?3, ?4)")
      .run(std::string_view(agent_id), std::max(least.results, through.results + 1),
           std::max(least.skipped, through.skipped + 1), std::max(least.gaps, through.gaps + 1));
  reload();
}

void Epochs::restore(const std::vector<Epoch>& all) {
  auto insert =
      database_.prepare("INSERT INTO epochs (agent_id, first_seq, first_skipped, first_gap) VALUES (?1, ?2, ?3, ?4)");
  for (std::size_t i = all_.size(); i < all.size(); ++i) {
    const auto& [agent_id, first, end] = all[i];
    insert.run(std::string_view(agent_id), first.results, first.skipped, first.gaps);
  }
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
