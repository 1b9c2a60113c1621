#include "probe/judge.h"

#include <functional>

#include <gtest/gtest.h>

#include "common/error.h"

namespace monitor::probe {
namespace {

using common::Micros;
using common::Outcome;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;

const common::WallTime kNow = common::from_unix_micros(1'700'000'000'000'000);  // 2023-11-14 22:13:20

Expectations compile(const Expect& expect) {
  RegexPool regexes;
  return {{std::nullopt, expect, {}}, regexes};
}

net::TlsFacts tls(std::string version, common::WallTime not_after = kNow + days{90}) {
  net::TlsFacts facts;
  facts.version = std::move(version);
  facts.has_certificate = true;
  facts.certificate.not_after = not_after;
  return facts;
}

Findings broken(Outcome outcome, std::string sentence, int count = 1) {
  Findings findings;
  findings.body = {{outcome, std::move(sentence)}, count};
  return findings;
}

struct Case {
  std::string_view name;
  std::function<void(Expect&)> expect;
  std::function<void(Facts&)> facts;
  Outcome outcome;
  std::string_view reason;
};

void expect_judgement(const Case& test) {
  Expect expect;
  test.expect(expect);
  Facts facts{.status = 200, .phases = {}, .total = milliseconds{100}, .now = kNow};
  test.facts(facts);
  const auto judgement = judge(facts, compile(expect));
  EXPECT_EQ(judgement.outcome, test.outcome) << test.name;
  EXPECT_EQ(judgement.reason, test.reason) << test.name;
}

const auto kDefault = [](Expect&) {};

TEST(Judge, AStatusFrom200To399IsUp) {
  const auto expectations = compile({});
  for (const std::uint16_t good : {200, 204, 301, 304, 399}) {
    EXPECT_EQ(judge({.status = good}, expectations).outcome, Outcome::kUp) << good;
    EXPECT_EQ(judge({.status = good}, expectations).reason, "");
  }
  for (const std::uint16_t bad : {199, 400, 404, 500, 999}) {
    EXPECT_EQ(judge({.status = bad}, expectations).outcome, Outcome::kStatus);
  }
  EXPECT_EQ(judge({.status = 503}, expectations).reason, "status 503 is outside 200-399");
}

TEST(Judge, AStatusOnTheListIsUp) {
  const auto expectations = compile({.status = {{200, 299}, {404, 404}}});
  for (const std::uint16_t good : {200, 299, 404})
    EXPECT_EQ(judge({.status = good}, expectations).outcome, Outcome::kUp);
  for (const std::uint16_t bad : {199, 300, 403, 405}) {
    EXPECT_EQ(judge({.status = bad}, expectations).outcome, Outcome::kStatus) << bad;
  }
  EXPECT_EQ(judge({.status = 503}, expectations).reason, "status 503 is not one of 200-299, 404");
  EXPECT_EQ(judge({.status = 200}, compile({.status = {{404, 404}}})).reason, "status 200 is not 404");
  EXPECT_EQ(judge({.status = 503}, compile({.status = {{200, 299}}})).reason, "status 503 is not 200-299");
}

TEST(Judge, WhatInspectionFoundIsTheVerdict) {
  const auto expectations = compile({});
  auto findings = broken(Outcome::kBodyForbidden, "the body matches error, which it must not");
  const auto judgement = judge({.status = 200, .findings = &findings}, expectations);
  EXPECT_EQ(judgement.outcome, Outcome::kBodyForbidden);
  EXPECT_EQ(judgement.reason, "the body matches error, which it must not");
  const Findings good;
  EXPECT_EQ(judge({.status = 200, .findings = &good}, expectations).outcome, Outcome::kUp);
}

TEST(Judge, TheFirstRuleBrokenIsNamedAndTheOthersAreCounted) {
  auto findings = broken(Outcome::kJsonMismatch, "not JSON", 2);
  findings.headers = {{Outcome::kHeaderMismatch, "the header field X is missing"}, 1};
  Facts facts{.status = 500, .findings = &findings, .phases = {}, .total = milliseconds{900}, .now = kNow};
  const auto expectations = compile({.max_time = milliseconds{500}, .warn_time = milliseconds{1}, .cert_days = 10});
  auto judgement = judge(facts, expectations);
  EXPECT_EQ(judgement.outcome, Outcome::kStatus);
  EXPECT_EQ(judgement.reason, "status 500 is outside 200-399 (and 4 more)") << "what degrades is not counted";
  facts.status = 200;
  judgement = judge(facts, expectations);
  EXPECT_EQ(judgement.outcome, Outcome::kHeaderMismatch);
  EXPECT_EQ(judgement.reason, "the header field X is missing (and 3 more)");
  findings.headers = {};
  EXPECT_EQ(judge(facts, expectations).outcome, Outcome::kJsonMismatch);
  findings.body = {};
  EXPECT_EQ(judge(facts, expectations).outcome, Outcome::kTooSlow);
  facts.total = milliseconds{500};
  EXPECT_EQ(judge(facts, expectations).outcome, Outcome::kCertExpiresSoon);
  EXPECT_EQ(judge(facts, expectations).reason,
            "there is no certificate to be valid for 10 days: the connection is not TLS (and 1 more)");
}

TEST(Judge, TimesAboveTheirMaximumAreTooSlow) {
  const std::vector<Case> cases{
      {"exactly the maximum", [](Expect& e) { e.max_time = milliseconds{500}; },
       [](Facts& f) { f.total = milliseconds{500}; }, Outcome::kUp, ""},
      {"total", [](Expect& e) { e.max_time = milliseconds{500}; }, [](Facts& f) { f.total = milliseconds{812}; },
       Outcome::kTooSlow, "the check took 812 ms, above max_time of 500 ms"},
      {"by a microsecond", [](Expect& e) { e.max_time = milliseconds{500}; },
       [](Facts& f) { f.total = Micros{500'001}; }, Outcome::kTooSlow,
       "the check took 501 ms, above max_time of 500 ms"},
      {"seconds", [](Expect& e) { e.max_time = milliseconds{1500}; }, [](Facts& f) { f.total = milliseconds{2040}; },
       Outcome::kTooSlow, "the check took 2.04 s, above max_time of 1.5 s"},
      {"microseconds", [](Expect& e) { e.max_time = Micros{1500}; }, [](Facts& f) { f.total = Micros{1501}; },
       Outcome::kTooSlow, "the check took 1501 µs, above max_time of 1500 µs"},
      {"dns", [](Expect& e) { e.max_dns = milliseconds{10}; }, [](Facts& f) { f.phases.dns = milliseconds{11}; },
       Outcome::kTooSlow, "the DNS lookup took 11 ms, above max_phase.dns of 10 ms"},
      {"connect", [](Expect& e) { e.max_connect = milliseconds{10}; },
       [](Facts& f) { f.phases.connect = milliseconds{11}; }, Outcome::kTooSlow,
       "the connection took 11 ms, above max_phase.connect of 10 ms"},
      {"tls", [](Expect& e) { e.max_tls = milliseconds{10}; }, [](Facts& f) { f.phases.tls = milliseconds{11}; },
       Outcome::kTooSlow, "the TLS handshake took 11 ms, above max_phase.tls of 10 ms"},
      {"first byte", [](Expect& e) { e.max_first_byte = milliseconds{10}; },
       [](Facts& f) { f.phases.first_byte = milliseconds{11}; }, Outcome::kTooSlow,
       "the first byte took 11 ms, above max_phase.first_byte of 10 ms"},
      {"transfer", [](Expect& e) { e.max_transfer = milliseconds{10}; },
       [](Facts& f) { f.phases.transfer = milliseconds{11}; }, Outcome::kTooSlow,
       "the transfer took 11 ms, above max_phase.transfer of 10 ms"},
      {"a phase that was not", [](Expect& e) { e.max_dns = e.max_tls = milliseconds{1}; }, [](Facts&) {}, Outcome::kUp,
       ""},
  };
  for (const auto& test : cases) expect_judgement(test);
}

TEST(Judge, WarnTimeDegrades) {
  const auto warn = [](Expect& e) { e.warn_time = milliseconds{500}; };
  expect_judgement({"below", warn, [](Facts& f) { f.total = milliseconds{500}; }, Outcome::kUp, ""});
  expect_judgement({"above", warn, [](Facts& f) { f.total = Micros{600'100}; }, Outcome::kDegraded,
                    "the check took 601 ms, above warn_time of 500 ms"});
  expect_judgement({"down goes first", warn,
                    [](Facts& f) {
                      f.total = milliseconds{600};
                      f.status = 500;
                    },
                    Outcome::kStatus, "status 500 is outside 200-399"});
}

TEST(Judge, AnOldTlsVersionIsDown) {
  static const auto old = tls("TLSv1.1"), v12 = tls("TLSv1.2"), v13 = tls("TLSv1.3");
  const auto min13 = [](Expect& e) { e.tls_min = net::TlsVersion::k13; };
  const auto min12 = [](Expect& e) { e.tls_min = net::TlsVersion::k12; };
  const std::vector<Case> cases{
      {"1.3 as asked", min13, [](Facts& f) { f.tls = &v13; }, Outcome::kUp, ""},
      {"1.3 is above 1.2", min12, [](Facts& f) { f.tls = &v13; }, Outcome::kUp, ""},
      {"1.2 as asked", min12, [](Facts& f) { f.tls = &v12; }, Outcome::kUp, ""},
      {"1.2 below 1.3", min13, [](Facts& f) { f.tls = &v12; }, Outcome::kTlsVersion,
       "the connection is TLSv1.2, below tls_min of TLSv1.3"},
      {"1.1 below 1.2", min12, [](Facts& f) { f.tls = &old; }, Outcome::kTlsVersion,
       "the connection is TLSv1.1, below tls_min of TLSv1.2"},
      {"no TLS", min12, [](Facts&) {}, Outcome::kTlsVersion, "the connection is not TLS, below tls_min of TLSv1.2"},
  };
  for (const auto& test : cases) expect_judgement(test);
}

TEST(Judge, ACertificateThatEndsSoonDegrades) {
  static const auto exact = tls("TLSv1.3", kNow + days{14}), soon = tls("TLSv1.3", kNow + days{14} - hours{1}),
                    tomorrow = tls("TLSv1.3", kNow + hours{25}), gone = tls("TLSv1.3", kNow - days{3});
  static const net::TlsFacts none;
  const auto fourteen = [](Expect& e) { e.cert_days = 14; };
  const std::vector<Case> cases{
      {"exactly enough", fourteen, [](Facts& f) { f.tls = &exact; }, Outcome::kUp, ""},
      {"too few", fourteen, [](Facts& f) { f.tls = &soon; }, Outcome::kCertExpiresSoon,
       "the certificate expires in 13 days, on 2023-11-28 21:13:20 UTC: cert_days asks for 14"},
      {"one", fourteen, [](Facts& f) { f.tls = &tomorrow; }, Outcome::kCertExpiresSoon,
       "the certificate expires in 1 day, on 2023-11-15 23:13:20 UTC: cert_days asks for 14"},
      {"expired, with verify: false", fourteen, [](Facts& f) { f.tls = &gone; }, Outcome::kCertExpiresSoon,
       "the certificate expired on 2023-11-11 22:13:20 UTC"},
      {"no certificate", fourteen, [](Facts& f) { f.tls = &none; }, Outcome::kCertExpiresSoon,
       "there is no certificate to be valid for 14 days: the connection is not TLS"},
      {"not asked", kDefault, [](Facts& f) { f.tls = &gone; }, Outcome::kUp, ""},
  };
  for (const auto& test : cases) expect_judgement(test);
}

}  // namespace
}  // namespace monitor::probe
