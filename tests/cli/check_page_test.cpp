#include "cli/check_page.h"

#include <map>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <gmock/gmock.h>

#include "cli/bars.h"

namespace monitor::cli {
namespace {

using common::Micros;
using common::Outcome;
using std::chrono::days;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

constexpr common::WallTime kNow{std::chrono::sys_days{std::chrono::year{2030} / 6 / 15}};

probe::Service service(const std::string& url = "https://www.example.org/health") {
  probe::Service out;
  out.url = out.target = url;
  out.method = "GET";
  return out;
}

net::TlsFacts facts() {
  net::TlsFacts out;
  out.version = "TLSv1.3";
  out.cipher = "TLS_AES_256_GCM_SHA384";
  out.has_certificate = true;
  out.certificate.subject = "CN=www.example.org";
  out.certificate.issuer = "CN=An Authority,C=US";
  out.certificate.not_before = kNow - days{30};
  out.certificate.not_after = kNow + days{54} + std::chrono::hours{3};
  out.certificate.sha256.fill(0xAB);
  return out;
}

probe::Hop hop(const std::string& method, const std::string& url, std::optional<std::uint16_t> status,
               const std::string& address) {
  probe::Hop out;
  out.method = method;
  out.url = url;
  out.status = status;
  out.remote_address = address;
  return out;
}

app::OneCheck good() {
  app::OneCheck out;
  out.started = kNow;
  out.status = 200;
  out.remote_address = "192.0.2.7";
  out.tls_facts = std::make_shared<const net::TlsFacts>(facts());
  out.phases = {.dns = Micros{1204},
                .connect = Micros{10113},
                .tls = Micros{20000},
                .first_byte = Micros{8000},
                .transfer = Micros{683}};
  out.total = Micros{40000};
  out.body_bytes = 1256;
  out.hops = {hop("GET", "https://www.example.org/health", 200, "192.0.2.7")};
  out.hops_json = R"([{"url":"https://www.example.org/health","method":"GET","status":200}])";
  return out;
}

app::OneCheck failed(Outcome outcome, const std::string& reason) {
  auto out = good();
  out.outcome = outcome;
  out.reason = reason;
  return out;
}

TEST(CheckPage, TellsEverythingOfAGoodCheck) {
  EXPECT_EQ(check_page(service(), good(), {}),
            "GET https://www.example.org/health\n"
            "  GET https://www.example.org/health -> 200, 192.0.2.7 (IPv4), fresh connection, HTTP/1.1\n"
            "\n"
            "dns          1.204 ms  #\n"
            "connect     10.113 ms  ##########\n"
            "tls         20.000 ms  ####################\n"
            "first byte   8.000 ms  ########\n"
            "transfer     0.683 ms  #\n"
            "total       40.000 ms  ########################################\n"
            "\n"
            "protocol     TLSv1.3, TLS_AES_256_GCM_SHA384\n"
            "certificate  CN=www.example.org\n"
            "issuer       CN=An Authority,C=US\n"
            "valid until  2030-08-08 03:00:00 UTC, 54 days left\n"
            "body         1.2 KiB\n"
            "verdict      up\n");
}

TEST(CheckPage, BeginsWithTheNameWhereThereIsOne) {
  auto named = service();
  named.name = "web";
  EXPECT_THAT(check_page(named, good(), {}), testing::StartsWith("web: GET https://www.example.org/health\n"));
}

TEST(CheckPage, SaysVerdictOutcomeAndReason) {
  EXPECT_THAT(check_page(service(), failed(Outcome::kStatus, "status 503 is outside 200-399"), {}),
              EndsWith("verdict      down (status)\nreason       status 503 is outside 200-399\n"));
  EXPECT_THAT(check_page(service(), failed(Outcome::kDegraded, "slow"), {}),
              EndsWith("verdict      degraded\nreason       slow\n"));
  EXPECT_THAT(check_page(service(), failed(Outcome::kLocalResource, "no descriptor"), {}),
              EndsWith("verdict      unknown (local_resource)\nreason       no descriptor\n"));
}

TEST(CheckPage, TellsOfAnAddressThatWasPassedOverAlsoWhenItIsUp) {
  auto check = good();
  check.passed_over = "[2001:db8::1]:443 was passed over: connection refused";
  EXPECT_THAT(check_page(service(), check, {}),
              HasSubstr("\naddress      [2001:db8::1]:443 was passed over: connection refused\n"));
  EXPECT_EQ(boost::json::parse(check_json(service(), check)).at("passed_over").as_string(), check.passed_over);
}

TEST(CheckPage, ColoursTheVerdictOnlyWhereColoursAreWanted) {
  const std::map<Outcome, std::string> colours{{Outcome::kUp, "\x1b[32mup\x1b[0m"},
                                               {Outcome::kDegraded, "\x1b[33mdegraded\x1b[0m"},
                                               {Outcome::kStatus, "\x1b[31mdown (status)\x1b[0m"},
                                               {Outcome::kLocalClock, "\x1b[35munknown (local_clock)\x1b[0m"}};
  for (const auto& [outcome, shown] : colours) {
    EXPECT_THAT(check_page(service(), failed(outcome, ""), {.colour = true}),
                HasSubstr("verdict      " + shown + "\n"));
    EXPECT_THAT(check_page(service(), failed(outcome, ""), {}), Not(HasSubstr("\x1b")));
  }
}

TEST(CheckPage, TellsOfTheCertificateAlsoWhenItWasRefused) {
  auto refused = failed(Outcome::kTlsExpired, "the certificate has expired");
  auto old = facts();
  old.version.clear();
  old.cipher.clear();
  old.certificate.not_after = kNow - days{3} - std::chrono::hours{1};
  refused.tls_facts = std::make_shared<const net::TlsFacts>(old);
  refused.status = std::nullopt;
  const auto page = check_page(service(), refused, {});
  EXPECT_THAT(page, HasSubstr("certificate  CN=www.example.org\n"));
  EXPECT_THAT(page, HasSubstr("valid until  2030-06-11 23:00:00 UTC, expired 3 days ago\n"));
  EXPECT_THAT(page, Not(HasSubstr("protocol")));
  EXPECT_THAT(page, Not(HasSubstr("body  ")));
}

TEST(CheckPage, SaysWhenACertificateIsNotValidYetAndOneDayIsOneDay) {
  auto early = failed(Outcome::kTlsNotYetValid, "the certificate is not valid yet");
  auto young = facts();
  young.certificate.not_before = kNow + days{1};
  young.certificate.not_after = kNow + days{1} + std::chrono::hours{1};
  early.tls_facts = std::make_shared<const net::TlsFacts>(young);
  EXPECT_THAT(
      check_page(service(), early, {}),
      HasSubstr("valid until  2030-06-16 01:00:00 UTC, 1 day left, not valid before 2030-06-16 00:00:00 UTC\n"));
}

TEST(CheckPage, ListsEveryHopAndWhatWasNotHad) {
  auto chain = good();
  chain.http_1_0 = true;
  chain.hops = {hop("POST", "http://example.org/", 303, "2001:db8::1"),
                hop("GET", "http://example.org/in", 302, "2001:db8::1"),
                hop("GET", "https://nowhere.example/", std::nullopt, "")};
  chain.hops[1].reused = true;
  chain.status = std::nullopt;
  EXPECT_THAT(check_page(service(), chain, {.unicode = true}),
              HasSubstr("  POST http://example.org/ → 303, 2001:db8::1 (IPv6), fresh connection\n"
                        "  GET http://example.org/in → 302, 2001:db8::1 (IPv6), reused connection\n"
                        "  GET https://nowhere.example/ → no response, no connection\n"));
  chain.status = chain.hops.back().status = 200;
  EXPECT_THAT(check_page(service(), chain, {}), HasSubstr("-> 200, no connection, HTTP/1.0\n"));
}

TEST(CheckPage, SaysThatABodyWasCut) {
  auto cut = good();
  cut.capped = true;
  cut.body_bytes = 1 << 20;
  EXPECT_THAT(check_page(service(), cut, {}), HasSubstr("body         1 MiB, cut at body_limit (1 MiB)\n"));
}

TEST(CheckPage, LetsNothingOfTheServerIntoTheTerminalAndShowsNoPassword) {
  auto hostile = failed(Outcome::kMalformedResponse, "it said \"\x1b]0;owned\x07\"\nverdict      up");
  auto named = facts();
  named.cipher = "\x9bX";
  named.certificate.subject = "CN=\x1b[31m";
  named.certificate.issuer = "CN=\r\n";
  hostile.tls_facts = std::make_shared<const net::TlsFacts>(named);
  hostile.hops[0].url = "https://www.example.org/\x1b[2J";
  hostile.hops[0].remote_address = "\x07";
  const auto page = check_page(service("https://user:hunter2@www.example.org/"), hostile, {});
  EXPECT_THAT(page, Not(HasSubstr("\x1b")));
  EXPECT_THAT(page, Not(HasSubstr("\x07")));
  EXPECT_THAT(page, Not(HasSubstr("\r")));
  EXPECT_THAT(page, Not(HasSubstr("\x9b")));
  EXPECT_THAT(page, Not(HasSubstr("hunter2")));
  EXPECT_THAT(page, Not(HasSubstr("\nverdict      up")));
}

TEST(CheckJson, HasEveryMemberInOneLine) {
  auto check = failed(Outcome::kCertExpiresSoon, "54 days left");
  check.dns_cached = check.capped = true;
  const auto text = check_json(service(), check);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_EQ(boost::json::parse(text), boost::json::parse(R"({
    "service": "GET https://www.example.org/health", "url": "https://www.example.org/health", "method": "GET",
    "request_timestamp": "2030-06-15T00:00:00.000000Z",
    "verdict": "degraded", "outcome": "cert_expires_soon", "reason": "54 days left",
    "status_code": 200, "contains_regex": false,
    "dns_us": 1204, "connect_us": 10113, "tls_us": 20000, "first_byte_us": 8000, "transfer_us": 683,
    "total_us": 40000, "body_bytes": 1256, "capped": true,
    "remote_address": "192.0.2.7", "family": 4, "passed_over": null, "connection": "fresh", "http_version": "1.1", "retried": false,
    "dns_cached": true,
    "tls": {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384"},
    "certificate": {"subject": "CN=www.example.org", "issuer": "CN=An Authority,C=US",
                    "not_before": "2030-05-16T00:00:00.000000Z", "not_after": "2030-08-08T03:00:00.000000Z",
                    "sha256": "abababababababababababababababababababababababababababababababab"},
    "hops": [{"url": "https://www.example.org/health", "method": "GET", "status": 200}]})"));
}

TEST(CheckJson, IsNullWhereThereIsNothingToTell) {
  app::OneCheck nothing;
  nothing.outcome = Outcome::kDnsTimeout;
  nothing.reason = "no answer";
  nothing.reused = nothing.retried = nothing.http_1_0 = true;
  nothing.hops_json = "[]";
  const auto json = boost::json::parse(check_json(service(), nothing)).as_object();
  for (const auto* member : {"status_code", "dns_us", "connect_us", "tls_us", "first_byte_us", "transfer_us",
                             "remote_address", "family", "passed_over", "http_version", "tls", "certificate"}) {
    EXPECT_TRUE(json.at(member).is_null()) << member;
  }
  EXPECT_EQ(json.at("connection"), "reused");
  EXPECT_EQ(json.at("retried"), true);
}

TEST(CheckJson, NamesFamilyAndVersionAndNoPassword) {
  auto check = good();
  check.remote_address = "::1";
  check.http_1_0 = true;
  const auto text = check_json(service("http://user:hunter2@localhost/"), check);
  const auto json = boost::json::parse(text).as_object();
  EXPECT_EQ(json.at("family"), 6);
  EXPECT_EQ(json.at("http_version"), "1.0");
  EXPECT_THAT(text, Not(HasSubstr("hunter2")));
}

TEST(BarChart, DrawsToAnEighthOfAColumnInUnicode) {
  EXPECT_EQ(
      bar_chart(
          {{"a", Micros{0}}, {"bc", Micros{1}}, {"d", std::nullopt}, {"e", Micros{165'000}}, {"f", Micros{320'000}}},
          true),
      "a     0.000 ms\n"
      "bc    0.001 ms  ▏\n"
      "d         -\n"
      "e   165.000 ms  ████████████████████▋\n"
      "f   320.000 ms  ████████████████████████████████████████\n");
}

TEST(BarChart, DrawsNothingOfNothing) {
  EXPECT_EQ(bar_chart({{"total", Micros{0}}}, false), "total  0.000 ms\n");
}

std::map<std::string, std::string>& variables() {
  static std::map<std::string, std::string> set;
  return set;
}

Look look(bool is_terminal, std::map<std::string, std::string> environment) {
  variables() = std::move(environment);
  return look_of(is_terminal, [](const std::string& name) -> std::optional<std::string> {
    const auto found = variables().find(name);
    return found == variables().end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(LookOf, HasColoursOnATerminalUnlessTheyAreNotWanted) {
  EXPECT_TRUE(look(true, {}).colour);
  EXPECT_TRUE(look(true, {{"NO_COLOR", ""}}).colour);
  EXPECT_FALSE(look(true, {{"NO_COLOR", "1"}}).colour);
  EXPECT_FALSE(look(true, {{"TERM", "dumb"}}).colour);
  EXPECT_FALSE(look(false, {{"TERM", "xterm"}}).colour);
}

TEST(LookOf, FindsTheLocalesEncodingWherePosixSaysItIs) {
  EXPECT_TRUE(look(false, {{"LANG", "de_DE.UTF-8"}}).unicode);
  EXPECT_TRUE(look(false, {{"LC_CTYPE", "C.utf8"}, {"LANG", "C"}}).unicode);
  EXPECT_FALSE(look(false, {{"LC_ALL", "C"}, {"LANG", "C.UTF-8"}}).unicode);
  EXPECT_TRUE(look(false, {{"LC_ALL", ""}, {"LANG", "en_GB.UTF-8@euro"}}).unicode);
  EXPECT_FALSE(look(false, {{"LANG", "de_DE.ISO-8859-1"}}).unicode);
  EXPECT_FALSE(look(false, {}).unicode);
}

}  // namespace
}  // namespace monitor::cli
