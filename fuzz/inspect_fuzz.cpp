// The rules over a body and a header field: judged alike by us and by a second reading, and told in sound sentences.
//
// The input: one byte of choices, and lines: a JSON pointer, a JSON value, an expression, and the body to its end.
#include <array>
#include <cstddef>
#include <cstdint>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "common/error.h"
#include "fuzz.h"
#include "probe/inspect.h"
#include "probe/judge.h"

using namespace monitor;
using Is = probe::JsonRule::Is;

namespace {

std::string_view line(std::string_view& rest) {
  const auto end = rest.find('\n');
  const auto out = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return out;
}

int broken(std::string_view body, const std::string& pointer, Is is, const std::string& value = {}) {
  return probe::JsonRules({{pointer, is, value}}).judge(body).count;
}

/// Whether Boost finds a value there: nothing when it takes the text for no JSON.
std::optional<bool> exists_for_boost(std::string_view body, const std::string& pointer) {
  boost::json::parse_options options;
  options.max_depth = probe::kMaxJsonDepth;
  boost::system::error_code error;
  if (body.starts_with("\xEF\xBB\xBF")) body.remove_prefix(3);
  const auto document = boost::json::parse({body.data(), body.size()}, error, {}, options);
  if (error) return std::nullopt;
  return document.find_pointer(pointer, error) != nullptr;
}

void check_json(std::string_view body, const std::string& pointer, const std::string& value) {
  if (const auto why = probe::refuse_json_pointer(pointer)) return fuzz::require_sentence(*why);
  const bool exists = broken(body, pointer, Is::kExisting) == 0, missing = broken(body, pointer, Is::kMissing) == 0;
  const auto expected = exists_for_boost(body, pointer);
  fuzz::require(expected || (!exists && !missing), "what is no JSON breaks every rule");
  fuzz::require(!expected || (exists == *expected && missing != exists), "a pointer finds what it names");

  if (const auto why = probe::refuse_json_value(value, Is::kEqual)) return fuzz::require_sentence(*why);
  const bool equal = broken(body, pointer, Is::kEqual, value) == 0;
  const bool differs = broken(body, pointer, Is::kNotEqual, value) == 0;
  fuzz::require(exists ? equal != differs : !equal && !differs, "what is there is equal or it is not");
  if (probe::refuse_json_value(value, Is::kBelow)) return;
  const bool below = broken(body, pointer, Is::kBelow, value) == 0,
             above = broken(body, pointer, Is::kAbove, value) == 0;
  const bool at_most = broken(body, pointer, Is::kAtMost, value) == 0;
  const bool at_least = broken(body, pointer, Is::kAtLeast, value) == 0;
  fuzz::require(below + above <= 1 && !(equal && (below || above)), "a number is below, equal or above");
  fuzz::require(at_most == (below || equal) && at_least == (above || equal), "at most is below or equal");
}

probe::Expect rules(const std::string& pointer, const std::string& value, const std::string& pattern, unsigned choice) {
  probe::Expect expect;
  expect.body = {pattern};
  expect.body_not = {pattern};
  expect.headers = {{"X-Field", pattern}, {"X-None", ""}};
  expect.headers_not = {{"x-field", pattern}};
  if (!probe::refuse_json_pointer(pointer)) {
    constexpr std::array kComparisons{Is::kEqual, Is::kNotEqual, Is::kBelow, Is::kAtMost, Is::kAbove, Is::kAtLeast};
    const auto is = kComparisons[choice % kComparisons.size()];
    expect.json = {{pointer, Is::kExisting, ""}};
    if (!probe::refuse_json_value(value, is)) expect.json.push_back({pointer, is, value});
  }
  expect.sha256 = std::string(64, '0');
  return expect;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned choice = data[0];
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string pointer(line(rest)), value(line(rest)), pattern(line(rest).substr(0, 60));
  check_json(rest, pointer, value);
  if (auto why = probe::refuse_regex(pattern)) {
    fuzz::require_sentence(common::escape_controls(*why));
    return 0;
  }

  constexpr std::array<std::string_view, 6> kCharsets{"", "utf-8", "iso-8859-1", "us-ascii", "utf-16", "shift_jis"};
  probe::Received received;
  received.fields = {{"X-Field", std::string(rest.substr(0, 200))}};
  received.body = rest;
  received.charset = kCharsets[choice / 8 % kCharsets.size()];
  received.body_limit = rest.size();
  received.capped = (choice & 0x80U) != 0;
  received.excerpt = 50;
  probe::RegexPool regexes;
  const probe::Expectations expectations({pattern, rules(pointer, value, pattern, choice), {}}, regexes);
  const auto found = probe::inspect(received, expectations);
  fuzz::require(found.excerpt.size() <= received.excerpt, "no more than was asked for");
  // X-None is missing, and of each pair exactly one is broken; the digest is no text's.
  fuzz::require(found.headers.count == 2, "a field matches or it does not");
  fuzz::require(found.body.count >= 2, "a body matches or it does not");
  const auto judgement = probe::judge({.status = 200, .findings = &found}, expectations);
  fuzz::require(judgement.outcome == common::Outcome::kHeaderMismatch, "the first rule broken is named");
  fuzz::require_sentence(judgement.reason);
  fuzz::require_sentence(found.body.first.reason);
  return 0;
}
