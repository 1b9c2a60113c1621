#include "report/pieces.h"

#include <algorithm>

namespace monitor::report {
namespace {

bool goes_on(const Piece& piece, const Piece& next) {
  if (piece.next_judged && *piece.next_judged == next.outage.from) return true;
  const bool seen_between = piece.next_judged && *piece.next_judged < next.span_from;
  return next.from_start && !seen_between && next.span_from >= piece.span_to;
}

}  // namespace

void add_pieces(Outages& outages, std::vector<Piece> pieces) {
  std::ranges::sort(pieces, {}, [](const Piece& piece) { return piece.outage.from; });
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const auto& piece = pieces[i];
    outages.add(piece.outage);
    if (piece.outage.to) continue;
    const bool last = i + 1 == pieces.size();
    if (!last && goes_on(piece, pieces[i + 1])) continue;
    if (piece.next_judged) {
      outages.end(*piece.next_judged);
    } else if (!last) {
      outages.end(piece.span_to);
    }
  }
}

}  // namespace monitor::report
