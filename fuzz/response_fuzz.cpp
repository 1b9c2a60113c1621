// A response: read in any pieces it is the same as read at once, and whatever it holds can be judged.
//
// The input: one byte of choices, one that the sizes of the pieces come from, and what the server sends.
#include <cstddef>
#include <cstdint>
#include <random>

#include "fuzz.h"
#include "probe/charset.h"
#include "probe/evidence.h"
#include "probe/judge.h"
#include "probe/response.h"

using namespace monitor;
using probe::ResponseReader;
using State = ResponseReader::State;

namespace {

const probe::Expectations& expectations() {
  static const probe::Expectations all = [] {
    probe::RegexPool regexes;
    probe::Expect expect;
    expect.status = {{200, 299}, {404, 404}};
    expect.body = {"o+k"};
    expect.body_not = {"(?i)error"};
    expect.headers = {{"Content-Type", "^text/"}};
    expect.headers_not = {{"Server", "x"}, {"X-Gone", ""}};
    expect.json = {{"/status", probe::JsonRule::Is::kEqual, "\"ok\""}};
    expect.max_time = std::chrono::seconds{1};
    return probe::Expectations({"marker", expect, {.bytes = 100, .none = false, .redact = {"key=[a-z]+"}}}, regexes);
  }();
  return all;
}

ResponseReader::Wanted wanted(std::uint8_t choices) {
  ResponseReader::Wanted out;
  out.head = (choices & 1U) != 0;
  out.body = (choices & 2U) != 0;
  out.body_limit = (choices & 4U) != 0 ? 10 : 4096;
  out.excerpt = (choices & 8U) != 0 ? 20 : 0;
  out.header = (choices & 16U) != 0 ? 64 : 0;
  out.fields = expectations().header_names();
  out.redirects = (choices & 32U) != 0;
  return out;
}

State read_in_pieces(ResponseReader& reader, std::string_view bytes, std::uint8_t seed, bool clean) {
  constexpr unsigned kLongest = 40;
  std::minstd_rand random(seed + 1U);
  auto state = State::kMore;
  while (state == State::kMore && !bytes.empty()) {
    const auto piece = bytes.substr(0, seed == 0 ? 1 : 1 + random() % kLongest);
    state = reader.feed(piece);
    bytes.remove_prefix(piece.size());
  }
  return state == State::kMore && reader.started() ? reader.end(clean) : state;
}

void check_limits(ResponseReader& reader, const ResponseReader::Wanted& wanted, State state) {
  const auto limit = wanted.redirects ? std::max(wanted.body_limit, probe::kMaxRedirectBody) : wanted.body_limit;
  fuzz::require(reader.body_bytes() <= limit, "no more of the body is read than allowed");
  fuzz::require(reader.body().size() <= std::max(limit, wanted.excerpt), "nor kept");
  fuzz::require(reader.header().size() <= std::max<std::size_t>(wanted.header, probe::kMaxHeaderBytes),
                "nor of the header");
  if (state == State::kComplete) {
    fuzz::require(reader.status() && *reader.status() >= 200, "a complete response has a final status");
    fuzz::require(!reader.capped() || !reader.reusable(), "what was left unread is not used again");
  } else if (state == State::kFailed) {
    fuzz::require_sentence(reader.failure().reason);
    fuzz::require(common::verdict_of(reader.failure().outcome) == common::Verdict::kDown, "a bad response is down");
  }
}

void check_same(ResponseReader& whole, ResponseReader& pieces) {
  fuzz::require(whole.status() == pieces.status(), "pieces: same status");
  fuzz::require(whole.http_1_0() == pieces.http_1_0(), "pieces: same version");
  fuzz::require(whole.content_type() == pieces.content_type(), "pieces: same type");
  fuzz::require(whole.content_encoding() == pieces.content_encoding(), "pieces: same coding");
  fuzz::require(whole.location() == pieces.location(), "pieces: same Location");
  fuzz::require(whole.body() == pieces.body(), "pieces: same body");
  fuzz::require(whole.body_bytes() == pieces.body_bytes(), "pieces: same size");
  fuzz::require(whole.capped() == pieces.capped(), "pieces: same cap");
  fuzz::require(whole.header_bytes() == pieces.header_bytes(), "pieces: same header size");
  fuzz::require(whole.failure().outcome == pieces.failure().outcome, "pieces: same outcome");
}

void check_judgement(ResponseReader& reader) {
  probe::Received received;
  received.fields = reader.take_fields();
  received.charset = probe::charset_of(reader.content_type());
  received.coding = reader.content_encoding();
  received.capped = reader.capped();
  received.body_limit = 4096;
  received.excerpt = expectations().evidence_window();
  const auto header = reader.header();
  const auto status = *reader.status();
  received.body = reader.take_body();
  const auto findings = probe::inspect(received, expectations());
  const auto judgement = probe::judge({.status = status, .findings = &findings}, expectations());
  const bool up = judgement.outcome == common::Outcome::kUp;
  fuzz::require(up == judgement.reason.empty(), "what is not up has a reason");
  if (!up) fuzz::require_sentence(judgement.reason);
  fuzz::require(!up || findings.contains_regex, "the regex is among what is expected");
  const auto kept = probe::evidence_text(header, findings.excerpt, expectations(), nullptr);
  fuzz::require(fuzz::is_inert(kept, true), "evidence is inert");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kChoices = 2;
  if (size <= kChoices) return 0;
  const auto want = wanted(data[0]);
  const bool clean = (data[0] & 64U) != 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + kChoices, size - kChoices);

  ResponseReader whole(want), pieces(want);
  auto state = whole.feed(bytes);
  if (state == State::kMore) state = whole.end(clean);
  fuzz::require(state != State::kMore, "at the end it is known");
  const auto state_of_pieces = read_in_pieces(pieces, bytes, data[1], clean);
  fuzz::require(state == state_of_pieces, "pieces: same state");
  check_limits(whole, want, state);
  check_limits(pieces, want, state);
  check_same(whole, pieces);
  fuzz::require(!whole.reusable() || state != State::kComplete || pieces.reusable(), "pieces: as well reusable");
  if (state == State::kComplete) check_judgement(whole);
  return 0;
}
