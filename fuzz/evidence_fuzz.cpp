// What is kept of a response: inert, no longer than allowed, and without what is secret, wherever that stands.
//
// The input: lines: how many bytes of the body are kept, a secret, and what the server sent; the body is what follows
// the first empty line.
#include <array>
#include <cstddef>
#include <cstdint>

#include "fuzz.h"
#include "probe/evidence.h"

using namespace monitor;

namespace {

/// Others may come about where two texts meet, or where one is escaped.
bool is_plain(std::string_view secret) {
  constexpr std::size_t kShortest = 4;
  if (secret.size() < kShortest) return false;
  for (const char c : secret) {
    if (c <= 0x20 || c >= 0x7F || c == '*' || c == '\\') return false;
  }
  return true;
}

/// Of `choice` times 16 bytes of the body; each made once.
const probe::Expectations& expectations(std::uint8_t choice) {
  static std::array<probe::SharedExpectations, 256> made;
  static probe::RegexPool regexes;
  auto& one = made[choice];
  if (!one) {
    const probe::EvidenceOptions options{choice * std::size_t{16}, false, {"key=[^&\\s]+", "(?i)pass(word)?:.*"}};
    one = std::make_shared<const probe::Expectations>(probe::Expectations::Source{std::nullopt, {}, options}, regexes);
  }
  return *one;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  if (rest.empty()) return 0;
  const auto& expected = expectations(data[0]);
  const auto bytes = expected.source().evidence.bytes;
  rest.remove_prefix(1);
  const auto line = std::min(rest.find('\n'), rest.size());
  const probe::Secrets secrets{std::string(rest.substr(0, line))};
  rest.remove_prefix(std::min(line + 1, rest.size()));
  const auto blank = std::min(rest.find("\r\n\r\n"), rest.size());
  const auto head = rest.substr(0, std::min(blank + 4, rest.size()));
  const auto body = rest.substr(head.size()).substr(0, expected.evidence_window());

  const auto kept = probe::evidence_text(head, body, expected, &secrets);
  fuzz::require(kept.size() <= probe::kMaxEvidenceHead + 2 + bytes, "evidence is no longer than allowed");
  fuzz::require(fuzz::is_inert(kept, true), "evidence is inert");
  const bool escaped = kept.find('\\') != std::string::npos;
  if (is_plain(secrets.front()) && !escaped) {
    fuzz::require(kept.find(secrets.front()) == std::string::npos, "a secret is nowhere in it");
  }
  if (body.empty()) {
    constexpr std::string_view kCookie = "\nSet-Cookie: ";
    const auto cookie = kept.find(kCookie);
    auto value = cookie == std::string::npos ? std::string() : kept.substr(cookie + kCookie.size());
    while (value.starts_with(' ') || value.starts_with("\\t")) value.erase(0, value.front() == ' ' ? 1 : 2);
    fuzz::require(value.empty() || value.starts_with("***") || value.front() == '\n' || value == "…" || value == "\\r",
                  "nor is a cookie");
  }
  return 0;
}
