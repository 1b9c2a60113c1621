// A redirect's Location: wherever it leads, nothing secret goes to another origin and nothing leaves TLS.
//
// The input: one byte for the chain so far, one for method and body, one for the status, and the Location.
#include <array>
#include <cstddef>
#include <cstdint>

#include "probe/redirect.h"
#include "url_checks.h"

using namespace monitor;

namespace {

net::Url base(std::uint8_t choice) {
  constexpr std::array<std::string_view, 8> kUrls{
      "http://a.example/",        "https://a.example/x/y?q=1", "https://user:SeCrEt@a.example:8443/a/b/",
      "http://192.0.2.1:8080/p",  "http://[2001:db8::1]/p/q",  "https://xn--bcher-kva.example/?x",
      "http://a.example:443/%2F", "https://a.example:80/a//b"};
  return std::get<net::Url>(net::parse_url(kUrls[choice % kUrls.size()]));
}

void check(const probe::Answered& answered, const probe::Redirect& next) {
  fuzz::check_url(next.url);
  fuzz::require(!answered.url.tls || next.url.tls, "https never goes to http");
  fuzz::require(next.original == net::same_origin(next.url, answered.first), "only the first origin is trusted");
  fuzz::require(next.url.authorization.empty(), "a server cannot make us send credentials");
  fuzz::require(!next.keeps_body || (answered.has_body && next.original), "a body stays with its origin");
  fuzz::require(next.method == answered.method || next.method == "GET", "a method stays, or becomes GET");
  fuzz::require(next.method != "GET" || !next.keeps_body || answered.method == "GET", "what becomes GET has no body");
}

void check_trail(const net::Url& url) {
  constexpr int kMax = 3;
  probe::Trail trail(kMax);
  fuzz::require(!trail.enter(url, "GET"), "a first request is no loop");
  const auto loop = trail.enter(url, "GET");
  fuzz::require(loop && loop->outcome == common::Outcome::kRedirectLimit, "the same again is a loop");
  fuzz::require_sentence(loop->reason);
  auto other = url;
  for (int i = 0; i < kMax; ++i) {
    other.target += 'x';
    fuzz::require(!trail.enter(other, "GET"), "as many as allowed are followed");
  }
  other.target += 'x';
  fuzz::require(trail.enter(other, "GET").has_value(), "and no more");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kChoices = 3;
  if (size < kChoices) return 0;
  constexpr std::array<std::string_view, 6> kMethods{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};
  constexpr std::array<std::uint16_t, 5> kStatuses{301, 302, 303, 307, 308};
  const auto first = base(data[0]), url = base(static_cast<std::uint8_t>(data[0] >> 4U));
  const std::optional<std::string> location(std::in_place, reinterpret_cast<const char*>(data) + kChoices,
                                            size - kChoices);
  const probe::Answered answered{
      first,   url, kMethods[data[1] % kMethods.size()], (data[1] & 0x80U) != 0, kStatuses[data[2] % kStatuses.size()],
      location};
  const auto decided = probe::decide_redirect(answered);
  if (const auto* next = std::get_if<probe::Redirect>(&decided)) {
    check(answered, *next);
    check_trail(next->url);
  } else {
    const auto& refusal = std::get<probe::Judgement>(decided);
    fuzz::require(refusal.outcome == common::Outcome::kRedirectRefused, "what is not followed is refused");
    fuzz::require_sentence(refusal.reason);
    // Of mixed case: a host that is told of is in lower case and never reads so by itself.
    fuzz::require(refusal.reason.find("SeCrEt") == std::string::npos || location->find("SeCrEt") != std::string::npos,
                  "no password of ours is in a sentence");
  }
  return 0;
}
