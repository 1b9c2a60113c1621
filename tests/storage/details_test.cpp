// What explains a result: settings, TLS facts, hops and evidence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/task_group.h"
#include "storage/failing_sync.h"
#include "storage/pending.h"
#include "storage/session.h"
#include "storage/sql.h"
#include "storage/store.h"
#include "storage/tls_table.h"
#include "support/stored.h"

namespace monitor::storage {
namespace {

using test::Sql;
using test::Stored;
using testing::ElementsAre;
using testing::EndsWith;
using testing::SizeIs;

net::TlsFacts facts_of(const std::string& host) {
  net::TlsFacts facts;
  facts.version = "TLSv1.3";
  facts.cipher = "TLS_AES_256_GCM_SHA384";
  facts.has_certificate = true;
  facts.certificate.sha256.fill(static_cast<std::uint8_t>(host.back()));
  facts.certificate.subject = "CN=" + host;
  facts.certificate.issuer = "CN=Some CA,O=Somebody";
  facts.certificate.not_before = common::from_unix_micros(1'700'000'000'000'000);
  facts.certificate.not_after = common::from_unix_micros(1'760'000'000'000'000);
  return facts;
}

net::SharedTlsFacts shared(net::TlsFacts facts) {
  return std::make_shared<const net::TlsFacts>(std::move(facts));
}

Result tls_check(Stored& stored, const net::TlsFacts& facts) {
  stored.clock().advance(common::Micros{1});
  auto result = test::passed_check(stored.service(), stored.clock().wall());
  result.tls_facts = shared(facts);
  return result;
}

TEST(Details, ComeBackAsTheyWereStored) {
  Stored stored;
  auto definition = test::definition_named("shop");
  definition.settings = R"({"expect":{"status":["2xx"]}})";
  const auto id = stored.wait(stored.store().define({definition})).front();
  EXPECT_NE(id, stored.service()) << "other settings are another definition";
  auto result = tls_check(stored, facts_of("shop.example"));
  result.definition = id;
  result.retried = result.http_1_0 = true;
  result.hops = R"([{"url":"https://shop.example/","method":"GET","status":301}])";
  result.evidence = "HTTP/1.0 200 OK\nserver: x\n\nhello";
  stored.wait(stored.store().append(result));
  stored.wait(stored.store().commit());
  const Batch batch = stored.wait(stored.store().next_batch(10));
  ASSERT_EQ(batch.results.size(), 1U);
  const auto& row = batch.results.front();
  EXPECT_TRUE(row.retried);
  EXPECT_TRUE(row.http_1_0);
  EXPECT_EQ(row.hops, result.hops);
  EXPECT_EQ(row.evidence, result.evidence);
  EXPECT_EQ(row.tls_facts, nullptr);
  ASSERT_EQ(batch.tls.size(), 1U);
  EXPECT_EQ(batch.tls[0].id, row.tls_id);
  EXPECT_EQ(batch.tls[0].facts, facts_of("shop.example"));
  EXPECT_EQ(batch.tls[0].fingerprint, fingerprint(facts_of("shop.example")));
  ASSERT_EQ(batch.definitions.size(), 1U);
  EXPECT_EQ(static_cast<const Definition&>(*batch.definitions[0]), definition);
  EXPECT_EQ(Sql(stored.file())("SELECT settings, family, http_version, retried, capped, dns_cached, tls_version, "
                               "tls_cipher, certificate_subject, certificate_issuer, certificate_not_after, hops, "
                               "evidence FROM monitoring_view"),
            definition.settings +
                "|4|1.0|1|0|0|TLSv1.3|TLS_AES_256_GCM_SHA384|CN=shop.example|CN=Some CA,O=Somebody|"
                "2025-10-09 08:53:20|" +
                result.hops + "|" + result.evidence);
}

TEST(Details, TextBeyondItsLimitIsCut) {
  Stored stored;
  auto result = test::passed_check(stored.service(), stored.clock().wall());
  result.hops = std::string(kMaxHopsBytes + 1, 'h');
  result.evidence = std::string("a\0b\xFF", 4) + std::string(kMaxEvidenceBytes, 'e');
  auto facts = facts_of("x");
  facts.certificate.subject = std::string(100'000, 's') + "\xFF";
  result.tls_facts = shared(facts);
  stored.wait(stored.store().append(result));
  stored.wait(stored.store().commit());
  const Batch batch = stored.wait(stored.store().next_batch(10));
  EXPECT_LE(batch.results[0].hops.size(), kMaxHopsBytes);
  EXPECT_LE(batch.results[0].evidence.size(), kMaxEvidenceBytes);
  EXPECT_THAT(batch.results[0].evidence, testing::StartsWith("a\xE2\x90\x80"
                                                             "b\\xffe"));
  EXPECT_LE(batch.tls.at(0).facts.certificate.subject.size(), 1024U);
}

TEST(Details, SettingsTooLongToStoreAreStillToldApart) {
  Stored stored;
  auto definition = test::definition_named("n");
  definition.settings = "{\"body\":\"";
  definition.settings += std::string(100'000, 'b');
  auto other = definition;
  definition.settings += "1\"}";
  other.settings += "2\"}";
  const auto ids = stored.wait(stored.store().define({definition, other, definition}));
  EXPECT_NE(ids[0], ids[1]);
  EXPECT_EQ(ids[0], ids[2]);
  EXPECT_EQ(Sql(stored.file())("SELECT group_concat(json_extract(settings, '$.too_long')), "
                               "count(DISTINCT json_extract(settings, '$.fingerprint')) FROM definitions "
                               "WHERE name = 'n'"),
            "100012,100012|2");
}

TEST(Details, TlsFactsAreStoredOnceAndReferredTo) {
  Stored stored;
  for (int i = 0; i < 50; ++i) {
    stored.wait(stored.store().append(tls_check(stored, facts_of(i % 2 == 0 ? "a.example" : "b.example"))));
  }
  stored.wait(stored.store().commit());
  stored.close();
  stored.open();
  stored.wait(stored.store().append(tls_check(stored, facts_of("a.example"))));
  stored.wait(stored.store().append(tls_check(stored, net::TlsFacts{})));
  stored.wait(stored.store().commit());
  EXPECT_EQ(Sql(stored.file())("SELECT count(*), (SELECT count(DISTINCT tls) FROM results) FROM tls_facts"), "2|2");
  EXPECT_EQ(Sql(stored.file())("SELECT tls IS NULL FROM results ORDER BY seq DESC LIMIT 1"), "1")
      << "a handshake that showed nothing has nothing to refer to";
  const Batch batch = stored.wait(stored.store().next_batch(100));
  EXPECT_THAT(batch.tls, SizeIs(2));
}

TEST(Details, OfAHandshakeWithoutACertificateTheRestIsKept) {
  Stored stored;
  net::TlsFacts facts;
  facts.version = "TLSv1.2";
  stored.wait(stored.store().append(tls_check(stored, facts)));
  stored.wait(stored.store().commit());
  const Batch batch = stored.wait(stored.store().next_batch(10));
  ASSERT_EQ(batch.tls.size(), 1U);
  EXPECT_EQ(batch.tls[0].facts, facts);
  EXPECT_EQ(Sql(stored.file())("SELECT tls_version, certificate_not_after IS NULL FROM monitoring_view"), "TLSv1.2|1");
}

TEST(Details, TlsFactsGoWithTheLastResultThatReferredToThem) {
  Stored stored;
  stored.wait(stored.store().append(tls_check(stored, facts_of("old.example"))));
  stored.wait(stored.store().append(tls_check(stored, facts_of("kept.example"))));
  stored.wait(stored.store().commit());
  stored.clock().advance(std::chrono::hours{2});
  const auto cut_off = stored.clock().wall();
  stored.wait(stored.store().append(tls_check(stored, facts_of("kept.example"))));
  stored.wait(stored.store().commit());
  stored.wait(stored.store().purge(cut_off, false, 100));
  Sql sql(stored.file());
  EXPECT_EQ(sql("SELECT group_concat(subject) FROM tls_facts"), "CN=kept.example");
  stored.close();
  stored.open();
  stored.clock().advance(std::chrono::hours{2});
  stored.wait(stored.store().purge(stored.clock().wall(), false, 100));
  EXPECT_EQ(sql("SELECT count(*) FROM tls_facts"), "0") << "of an earlier run too";
  stored.wait(stored.store().append(tls_check(stored, facts_of("kept.example"))));
  stored.wait(stored.store().commit());
  EXPECT_EQ(sql("SELECT certificate_subject FROM monitoring_view"), "CN=kept.example");
}

TEST(Details, AServerWithEverNewCertificatesDoesNotFillTheFile) {
  Stored stored;
  stored.cap(2 << 20);
  stored.close();
  stored.open();
  for (int i = 0; i < 20'000; ++i) {
    stored.wait(stored.store().append(tls_check(stored, facts_of("host" + std::to_string(i)))));
    if (i % 1000 != 999) continue;
    stored.wait(stored.store().commit());
    while (stored.wait(stored.store().purge_to_cap(5000)).more) {
    }
  }
  EXPECT_LE(stored.store().size_bytes(), 3U << 20);
  Sql sql(stored.file());
  EXPECT_EQ(sql("SELECT count(*) FROM results WHERE tls NOT IN (SELECT id FROM tls_facts)"), "0");
  EXPECT_EQ(sql("SELECT count(*) FROM tls_facts WHERE id NOT IN (SELECT tls FROM results)"), "0");
  EXPECT_NE(sql("SELECT count(*) FROM results"), "0");
}

TEST(Details, BeyondTheTablesBoundARowIsStoredWithoutTlsFacts) {
  Stored stored;
  stored.close();
  Database database(stored.file(), Database::Mode::kReadWrite);
  TlsTable table(database, 2);
  EXPECT_TRUE(table.number_of(facts_of("a")));
  EXPECT_TRUE(table.number_of(facts_of("b")));
  EXPECT_FALSE(table.number_of(facts_of("c")));
  EXPECT_TRUE(table.number_of(facts_of("a"))) << "what is known stays known";
  table.forget_before(1);
  EXPECT_TRUE(table.number_of(facts_of("c")));
}

TEST(Details, ACommitThatFailedLeavesNoNumberBehind) {
  test::FailingSync disk;
  Stored stored;
  stored.wait(stored.store().append(tls_check(stored, facts_of("a.example"))));
  disk.fail(1);
  stored.wait(stored.store().commit());
  for (int i = 0; i < 20 && stored.store().health().waiting > 0; ++i) stored.wait(stored.store().commit());
  stored.wait(stored.store().append(tls_check(stored, facts_of("a.example"))));
  stored.wait(stored.store().commit());
  EXPECT_EQ(Sql(stored.file())("SELECT group_concat(certificate_subject) FROM monitoring_view"),
            "CN=a.example,CN=a.example");
}

TEST(Details, ARecheckIsNotWhenAServiceLastRan) {
  Stored stored;
  auto daily = test::definition_named("daily");
  daily.interval = std::chrono::hours{24};
  const auto id = stored.wait(stored.store().define({daily})).front();
  const auto at = stored.clock().wall();
  stored.wait(stored.store().append(test::passed_check(id, at)));
  auto again = test::passed_check(id, at + std::chrono::seconds{5});
  again.attempt = 1;
  stored.wait(stored.store().append(again));
  stored.wait(stored.store().commit());
  EXPECT_THAT(stored.wait(stored.store().last_runs()), ElementsAre(testing::Pair("daily", at)));
}

TEST(Details, TheLastVerdictOfAServiceIsThatOfItsLastJudgedCheck) {
  Stored stored;
  const auto at = stored.clock().wall();
  EXPECT_TRUE(stored.wait(stored.store().last_verdicts()).empty());
  auto changed = test::definition_named("shop");
  changed.timeout = std::chrono::seconds{7};
  const auto ids = stored.wait(stored.store().define({changed, test::definition_named("other")}));
  stored.wait(stored.store().append(test::passed_check(stored.service(), at)));
  stored.wait(stored.store().append(test::failed_check(ids[0], at, "no")));
  auto unknown = test::failed_check(ids[0], at, "ours");
  unknown.outcome = common::Outcome::kLocalResource;
  stored.wait(stored.store().append(unknown));
  auto confirmed = test::passed_check(ids[1], at);
  confirmed.attempt = 1;
  stored.wait(stored.store().append(test::failed_check(ids[1], at, "no")));
  stored.wait(stored.store().append(confirmed));
  stored.close();
  stored.open();
  EXPECT_THAT(stored.wait(stored.store().last_verdicts()),
              testing::UnorderedElementsAre(testing::Pair("shop", common::Verdict::kDown),
                                            testing::Pair("other", common::Verdict::kUp)));
}

TEST(Details, CountTowardsTheTextOfABatch) {
  Stored stored;
  auto result = test::passed_check(stored.service(), stored.clock().wall());
  result.evidence = std::string(64 << 10, 'e');
  for (int i = 0; i < 200; ++i) stored.wait(stored.store().append(result));
  stored.wait(stored.store().commit());
  EXPECT_EQ(stored.next_seqs().size(), (std::size_t{8} << 20) / (64 << 10));
}

TEST(Details, OfManyAtOnceHoldAppendsBackUntilTheyAreStored) {
  Stored stored;
  auto result = test::passed_check(stored.service(), stored.clock().wall());
  result.evidence = std::string(64 << 10, 'e');
  async::TaskGroup tasks(stored.io().get_executor(),
                         [](const std::string& name, std::exception_ptr) { FAIL() << name; });
  int appended = 0;
  const auto add = [](Store& store, Result row, int& count) -> boost::asio::awaitable<void> {
    co_await store.append(std::move(row));
    ++count;
  };
  constexpr int kFit = static_cast<int>(kMaxWaitingBytes / (64 << 10));
  for (int i = 0; i < kFit + 5; ++i) tasks.spawn("append", add(stored.store(), result, appended));
  tasks.spawn("append", add(stored.store(), test::passed_check(stored.service(), result.requested_at), appended));
  stored.io().restart();
  while (stored.io().poll() > 0) {
  }
  EXPECT_EQ(appended, kFit + 1) << "what has no such text does not wait";
  stored.wait(stored.store().commit());
  stored.wait(tasks.join());
  stored.wait(stored.store().commit());
  EXPECT_EQ(Sql(stored.file())("SELECT count(evidence), count(*) FROM results"),
            std::to_string(kFit + 5) + "|" + std::to_string(kFit + 6));
}

TEST(Details, AreGivenUpBeforeResultsWhileNothingCanBeStored) {
  test::FailingSync disk;
  Stored stored;
  stored.append(1);
  disk.fail(1);
  stored.wait(stored.store().commit());
  ASSERT_TRUE(stored.store().health().degraded);
  auto result = test::passed_check(stored.service(), stored.clock().wall());
  result.evidence = std::string(64 << 10, 'e');
  constexpr int kFit = static_cast<int>(kMaxWaitingBytes / (64 << 10));
  for (int i = 0; i < kFit + 7; ++i) stored.wait(stored.store().append(result));
  for (int i = 0; i < 20 && stored.store().health().waiting > 0; ++i) stored.wait(stored.store().commit());
  EXPECT_EQ(Sql(stored.file())("SELECT count(evidence), count(*) FROM results"),
            std::to_string(kFit) + "|" + std::to_string(kFit + 8));
  EXPECT_EQ(stored.store().health().dropped, 0U);
}

TEST(Details, CostAPassedTlsCheckTwoBytes) {
  Stored stored;
  stored.add(1);
  const auto before = stored.store().size_bytes();
  constexpr int kRows = 50'000;
  for (int i = 0; i < kRows; ++i) {
    stored.clock().advance(std::chrono::milliseconds{17});
    auto result = tls_check(stored, facts_of("host" + std::to_string(i % 100)));
    result.total += common::Micros{i % 1000};
    stored.wait(stored.store().append(std::move(result)));
    if (i % 1000 == 999) stored.wait(stored.store().commit());
  }
  stored.wait(stored.store().commit());
  stored.close();
  const auto bytes = static_cast<double>(std::filesystem::file_size(stored.file()) - before) / kRows;
  EXPECT_LE(bytes, 70.0);
  RecordProperty("bytes_per_row", static_cast<int>(bytes));
}

}  // namespace
}  // namespace monitor::storage
