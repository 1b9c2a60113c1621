#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config_files.h"
#include "config/document.h"
#include "config/settings.h"
#include "support/temp_dir.h"

namespace monitor::config {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class Read : public testing::Test {
 protected:
  Document read_text(const std::string& text) { return read(test::write_file(folder_ / "config", text)); }
  bool has_comments(const std::string& text) { return read_text(text).has_comments; }

  monitor::test::TempDir folder_;
};

constexpr const char* kPredecessor =
    R"({"local_database_path": "~/.monitoring/local-database.sqlite3", )"
    R"("external_database_uri": "postgresql://test:1234567890@127.0.0.1:5432/test", "services": [)"
    R"({"url": "http://localhost:8000/", "method": "GET", "check_regex": false, "regex": null, )"
    R"("interval_sec": 5, "timeout": 15}, )"
    R"({"url": "http://localhost:8000/openapi.json", "method": "GET", "check_regex": true, )"
    R"("regex": "\\{\"openapi\":\"3\\.1\\.0\"", "interval_sec": 5, "timeout": 15, "last_checked_at": null}, )"
    R"({"url": "http://localhost:8000/", "method": "OPTION", "check_regex": true, )"
    R"("regex": "\ud83d\ude00 za\u017c\u00f3\u0142\u0107", "interval_sec": 300, "timeout": 1, )"
    R"("last_checked_at": "2024-04-22T12:35:30.970123"}]})";

TEST_F(Read, TakesThePredecessorsFileUnchanged) {
  const auto document = read_text(kPredecessor);
  EXPECT_EQ(document.format, Format::kJson);
  EXPECT_EQ(document.local_database_path, "~/.monitoring/local-database.sqlite3");
  EXPECT_EQ(document.external_database_uri, "postgresql://test:1234567890@127.0.0.1:5432/test");
  ASSERT_EQ(document.services.size(), 3U);
  EXPECT_EQ(document.services[0].url, "http://localhost:8000/");
  EXPECT_EQ(document.services[0].method, "GET");
  EXPECT_FALSE(document.services[0].check_regex);
  EXPECT_EQ(document.services[0].regex, std::nullopt);
  EXPECT_EQ(document.services[0].interval, 5s);
  EXPECT_EQ(document.services[0].timeout, 15s);
  EXPECT_EQ(document.services[1].method, "OPTION");
  EXPECT_EQ(document.services[1].regex, "😀 zażółć");
  EXPECT_EQ(document.services[2].regex, R"(\{"openapi":"3\.1\.0")");
  EXPECT_TRUE(document.services[2].check_regex);
}

TEST_F(Read, GivesAHandWrittenServiceThePredecessorsDefaults) {
  const auto document = read_text("services:\n- url: https://example.com/\n");
  ASSERT_EQ(document.services.size(), 1U);
  const auto& service = document.services.front();
  EXPECT_EQ(service.name, "");
  EXPECT_EQ(service.method, "GET");
  EXPECT_FALSE(service.check_regex);
  EXPECT_EQ(service.regex, std::nullopt);
  EXPECT_EQ(service.interval, 5s);
  EXPECT_EQ(service.timeout, 15s);
  EXPECT_EQ(service.body_limit, 1U << 20);
}

TEST_F(Read, TakesEveryKey) {
  const auto document = read_text(R"(---
local_database_path: /var/lib/monitor/local.sqlite3
external_database_uri_file: dsn
interval_limits: {min: 1, max: 86400}
limits: {per_host_concurrency: 4, per_host_rate: 2.5}
workers:
  agent: on
  exporter: false
  collector: No
keep_exported: 0
local_retention: 14d
local_max_size: 2 GiB
remote_retention: 365d
stop_grace: 10s
dns_cache: off
services:
  - name: shop
    url: https://shop.example/health
    method: POST
    check_regex: true
    regex: ok
    interval_sec: 86400
    timeout: 300
    body_limit: 64 KiB
)");
  EXPECT_EQ(document.local_database_path, "/var/lib/monitor/local.sqlite3");
  EXPECT_EQ(document.external_database_uri, std::nullopt);
  EXPECT_EQ(document.external_database_uri_file, "dsn");
  EXPECT_EQ(document.interval_limits->min, 1s);
  EXPECT_EQ(document.interval_limits->max, 86400s);
  EXPECT_EQ(document.limits, (HostLimits{4, 25}));
  EXPECT_EQ(document.worker_agent, true);
  EXPECT_EQ(document.worker_exporter, false);
  EXPECT_EQ(document.worker_collector, false);
  EXPECT_EQ(document.keep_exported, "0");
  EXPECT_EQ(document.local_retention, "14d");
  EXPECT_EQ(document.local_max_size, "2 GiB");
  EXPECT_EQ(document.remote_retention, "365d");
  EXPECT_EQ(document.stop_grace, "10s");
  EXPECT_EQ(document.dns_cache, "off");
  ASSERT_EQ(document.services.size(), 1U);
  const auto& service = document.services.front();
  EXPECT_EQ(service.name, "shop");
  EXPECT_EQ(service.method, "POST");
  EXPECT_EQ(service.regex, "ok");
  EXPECT_EQ(service.interval, 86400s);
  EXPECT_EQ(service.timeout, 300s);
  EXPECT_EQ(service.body_limit, 65536U);
}

TEST_F(Read, TakesAFileWithoutServices) {
  EXPECT_TRUE(read_text("local_database_path: /tmp/x\n").services.empty());
  EXPECT_TRUE(read_text("services:\n").services.empty());
  EXPECT_TRUE(read_text("services: []\n").services.empty());
  EXPECT_TRUE(read_text("{}").services.empty());
}

TEST_F(Read, TakesTheTextsOfBothQuotesAndOfBlocks) {
  const auto document = read_text(
      "services:\n"
      "  - {url: 'http://a.example/', regex: 'it''s \\d'}\n"
      "  - url: \"http://b.example/\"\n    regex: \"\\u017c\\n\"\n"
      "  - url: http://c.example/\n    regex: |-\n      one\n      two # three\n");
  EXPECT_EQ(document.services[0].regex, "it's \\d");
  EXPECT_EQ(document.services[1].regex, "ż\n");
  EXPECT_EQ(document.services[2].regex, "one\ntwo # three");
}

TEST_F(Read, ListsServicesInTheOrderOfTheTables) {
  const auto document = read_text(
      "services:\n"
      "  - {url: 'http://b.example/'}\n"
      "  - {url: 'http://a.example/', method: POST}\n"
      "  - {url: 'http://a.example/', method: GET, regex: z, check_regex: true}\n"
      "  - {url: 'http://a.example/', method: GET, regex: a}\n"
      "  - {url: 'http://a.example/1', method: GET}\n");
  std::vector<std::string> order;
  order.reserve(document.services.size());
  for (const auto& service : document.services)
    order.push_back(service.url + service.method + service.regex.value_or(""));
  EXPECT_THAT(order, testing::ElementsAre("http://a.example/1GET", "http://a.example/GETa", "http://a.example/GETz",
                                          "http://a.example/POST", "http://b.example/GET"));
}

TEST_F(Read, DoesNotJudgeAUrlWhoseVariablesItDoesNotKnow) {
  const test::ScopedVariable unset("MONITOR_TEST_HOST", nullptr);
  const auto document = read_text("services:\n  - url: 'https://${MONITOR_TEST_HOST}/'\n");
  EXPECT_EQ(document.services[0].url, "https://${MONITOR_TEST_HOST}/");
  EXPECT_EQ(document.services[0].target, "");
}

TEST_F(Read, SeesCommentsThatSavingWouldLose) {
  EXPECT_TRUE(has_comments("services: [] # none\n"));
  EXPECT_TRUE(has_comments("services:\n  # the first\n  - url: http://a.example/\n"));
  EXPECT_TRUE(has_comments("dns_cache: 'off' # asked each time\n"));
  EXPECT_TRUE(has_comments("services:\n  - url: http://a.example/\n    regex: | # a block\n      x\n"));
  EXPECT_TRUE(has_comments("services:\n  - url: http://a.example/\n    regex: |\n      x\n  # behind it\n"));
  EXPECT_TRUE(has_comments("dns_cache: off\n#"));
}

TEST_F(Read, TakesNoTextForAComment) {
  EXPECT_FALSE(has_comments("services: []\n"));
  EXPECT_FALSE(has_comments("services:\n  - {url: http://a.example/, regex: 'a # b'}\n"));
  EXPECT_FALSE(has_comments("services:\n  - {url: http://a.example/, regex: \"a \\\" # b\"}\n"));
  EXPECT_FALSE(has_comments("services:\n  - {url: http://a.example/, regex: 'it''s # b'}\n"));
  EXPECT_FALSE(
      has_comments("services:\n  - url: http://a.example/\n    regex: |\n      x # y\n\n      # z\n    method: GET\n"));
  EXPECT_FALSE(has_comments("local_database_path: /tmp/a#b\n"));
  EXPECT_FALSE(has_comments(R"({"services": [{"url": "http://a.example/", "regex": " # "}]})"));
}

TEST_F(Read, KeepsTheCommentTheFileOpensWith) {
  const auto document = read_text("# Our endpoints.\n\n# Ask before you change them.\n\nservices: []\n");
  EXPECT_FALSE(document.has_comments);
  EXPECT_EQ(document.opening_comment, "# Our endpoints.\n\n# Ask before you change them.\n");
}

TEST_F(Read, StopsAtAHundredFaultsAndCountsTheRest) {
  std::string text = "services:\n";
  for (int i = 0; i < 250; ++i) text += "  - url: nowhere\n    name: n" + std::to_string(i) + "x\n";
  const auto message = test::error_of([&] { read_text(text); });
  EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 100);
  EXPECT_TRUE(message.ends_with("\nand 150 more"));
  EXPECT_THAT(message, HasSubstr("config:2:10: "));
  EXPECT_THAT(message, HasSubstr("config:200:10: "));
}

TEST_F(Read, QuotesHostileTextHarmlessly) {
  const auto message = test::error_of([&] { read_text("\"\\e[31m" + std::string(500, 'x') + "\": 1\n"); });
  EXPECT_THAT(message, HasSubstr("\\x1b[31mxxx"));
  EXPECT_LT(message.size(), folder_.path().string().size() + 600);
}

TEST_F(Read, FindsAServiceByNumberOrName) {
  const auto document = read_text(
      "services:\n"
      "  - {url: 'http://a.example/', name: alpha}\n"
      "  - {url: 'http://b.example/'}\n"
      "  - {url: 'http://c.example/', name: c3}\n");
  EXPECT_EQ(find_service(document, "0"), 0U);
  EXPECT_EQ(find_service(document, "2"), 2U);
  EXPECT_EQ(find_service(document, "alpha"), 0U);
  EXPECT_EQ(find_service(document, "c3"), 2U);
  for (const std::string unknown : {"3", "99999999999999999999999", "beta", "", "-1", "ALPHA"}) {
    const auto message = test::error_of([&] { find_service(document, unknown); });
    EXPECT_THAT(message, HasSubstr('"' + unknown + '"'));
    EXPECT_THAT(message, HasSubstr("there are 3, numbered from 0 to 2"));
    EXPECT_THAT(message, HasSubstr("monitor config services show --numbered"));
  }
  EXPECT_THAT(test::error_of([&] { find_service(document, "http://u:hunter2@a.example/"); }),
              testing::AllOf(HasSubstr("\"http://…\""), testing::Not(HasSubstr("hunter2"))));
  EXPECT_THAT(test::error_of([] { find_service(Document{}, "0"); }), HasSubstr("there is none yet"));
}

}  // namespace
}  // namespace monitor::config
