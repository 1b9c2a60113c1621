#include "agent/row.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "probe/hops.h"

namespace monitor::agent {
namespace {

using std::chrono::milliseconds;

probe::Observation observation() {
  probe::Observation seen;
  seen.outcome = common::Outcome::kTooSlow;
  seen.reason = "too slow";
  seen.started = common::from_unix_micros(1'750'000'000'000'000);
  seen.status = 200;
  seen.capped = seen.dns_cached = seen.contains_regex = true;
  seen.remote_address = "2001:db8::1";
  seen.phases = {milliseconds{1}, milliseconds{2}, milliseconds{3}, milliseconds{4}, milliseconds{5}};
  seen.total = milliseconds{15};
  seen.body_bytes = 99;
  return seen;
}

TEST(Row, HoldsWhatWasSeen) {
  const auto row = to_result(observation(), 7, milliseconds{6});
  EXPECT_EQ(row.definition, 7);
  EXPECT_EQ(row.outcome, common::Outcome::kTooSlow);
  EXPECT_EQ(row.reason, "too slow");
  EXPECT_EQ(row.status, 200);
  EXPECT_TRUE(row.capped && row.dns_cached && row.contains_regex);
  EXPECT_EQ(row.remote_address, "2001:db8::1");
  EXPECT_EQ(row.dns, milliseconds{1});
  EXPECT_EQ(row.transfer, milliseconds{5});
  EXPECT_EQ(row.total, milliseconds{15});
  EXPECT_EQ(row.lateness, milliseconds{6});
  EXPECT_EQ(row.body_bytes, 99);
  EXPECT_EQ(row.connection, storage::Connection::kFresh);
  EXPECT_EQ(row.attempt, 0);
  EXPECT_FALSE(row.retried || row.http_1_0);
  EXPECT_EQ(row.tls_facts, nullptr);
  EXPECT_EQ(row.hops, "");
  EXPECT_EQ(row.evidence, "");
}

TEST(Row, HoldsWhatExplainsIt) {
  auto seen = observation();
  seen.reused = seen.retried = seen.http_1_0 = true;
  const auto facts = std::make_shared<net::TlsFacts>();
  seen.tls_facts = facts;
  seen.evidence = "HTTP/1.0 200 OK";
  seen.hops.resize(2);
  seen.hops[0].url = "http://a.example/";
  const auto hops = seen.hops;
  const auto row = to_result(std::move(seen), 7, {}, 3);
  EXPECT_EQ(row.connection, storage::Connection::kReused);
  EXPECT_TRUE(row.retried && row.http_1_0);
  EXPECT_EQ(row.attempt, 3);
  EXPECT_EQ(row.tls_facts, facts);
  EXPECT_EQ(row.evidence, "HTTP/1.0 200 OK");
  EXPECT_EQ(row.hops, probe::to_json(hops));
}

TEST(Row, ManyLongHopsAreStillWhole) {
  auto seen = observation();
  seen.hops.resize(42);  // 20 redirects, and each request repeated on a new connection
  for (auto& hop : seen.hops) {
    hop.url = "https://a.example/" + std::string(2000, 'x');
    hop.method = "OPTIONS";
    hop.status = 307;
    hop.remote_address = "2001:0db8:1111:2222:3333:4444:5555:6666";
    hop.reused = true;
    hop.phases = seen.phases;
  }
  const auto row = to_result(std::move(seen), 7, {});
  EXPECT_LE(row.hops.size(), storage::kMaxHopsBytes);
  EXPECT_THAT(row.hops, testing::StartsWith("[{"));
  EXPECT_THAT(row.hops, testing::EndsWith("}]"));
}

TEST(Row, ADefinitionHasTheSettingsAsTheyAreShown) {
  probe::Service service;
  service.url = "https://user:password@a.example/";
  service.method = "GET";
  auto spec = std::make_shared<probe::Spec>();
  spec->shown = R"({"expect":{"status":["2xx"]}})";
  service.settings = "as typed, with a secret";
  service.extra = spec;
  const auto definition = to_definition(service);
  EXPECT_EQ(definition.settings, spec->shown);
  EXPECT_EQ(definition.url, "https://a.example/");
  service.extra.reset();
  EXPECT_EQ(to_definition(service).settings, "");
}

}  // namespace
}  // namespace monitor::agent
