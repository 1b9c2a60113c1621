#include "config/settings.h"

#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config_files.h"
#include "config/document.h"
#include "support/temp_dir.h"

namespace monitor::config {
namespace {

using namespace std::chrono_literals;
using test::ScopedVariable;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kUri = "postgresql://test:1234567890@127.0.0.1:5432/test";

class Load : public testing::Test {
 protected:
  Settings load_text(const std::string& text, mode_t mode = 0600) { return load(write(text, mode)); }
  std::string error_of_text(const std::string& text, mode_t mode = 0600) {
    const auto file = write(text, mode);
    return test::error_of([&] { load(file); });
  }
  std::filesystem::path write(const std::string& text, mode_t mode) {
    return test::write_file(folder_ / "config", text, mode);
  }

  monitor::test::TempDir folder_;
  ScopedVariable home_{"HOME", "/home/somebody"};
  ScopedVariable no_credentials_{"CREDENTIALS_DIRECTORY", nullptr};
};

TEST_F(Load, FillsInEveryDefault) {
  const auto settings = load_text("services: []\n");
  EXPECT_EQ(settings.file, folder_ / "config");
  EXPECT_TRUE(settings.agent.enabled);
  EXPECT_TRUE(settings.exporter.enabled);
  EXPECT_TRUE(settings.collector.enabled);
  EXPECT_EQ(settings.exporter.uri, "");
  EXPECT_EQ(settings.exporter.remote_retention, std::nullopt);
  EXPECT_EQ(settings.collector.keep_exported, 1h);
  EXPECT_EQ(settings.collector.local_retention, 720h);
  EXPECT_EQ(settings.collector.rollup_hours, 24h * 90);
  EXPECT_EQ(settings.exporter.rollup_hours, 24h * 90);
  EXPECT_EQ(settings.collector.rollup_days, 24h * 3650);
  EXPECT_EQ(settings.exporter.rollup_days, 24h * 3650);
  EXPECT_EQ(settings.storage.path, "/home/somebody/.monitoring/local-database.sqlite3");
  EXPECT_EQ(settings.storage.max_size, std::nullopt);
  EXPECT_TRUE(settings.net.dns_cache);
  EXPECT_FALSE(settings.watch);
  EXPECT_EQ(settings.stop_grace, 5s);
  EXPECT_FALSE(settings.agent.limits.any());
  EXPECT_THAT(settings.warnings, IsEmpty());
  EXPECT_EQ(default_path(), "/home/somebody/.monitoring/monitoring-config");
}

TEST_F(Load, CarriesEveryValue) {
  const auto settings =
      load_text(std::string("local_database_path: ~/x.sqlite3\nexternal_database_uri: ") + kUri +
                "\nworkers: {agent: false, exporter: off, collector: no}\nkeep_exported: 0\n"
                "local_retention: 2d\nlocal_max_size: 1 GiB\nremote_retention: 90d\nstop_grace: 0\nwatch_config: true\n"
                "rollups: {hours: 30d, days: 400d}\n"
                "dns_cache: off\nlimits: {per_host_concurrency: 3, per_host_rate: 0.5, "
                "deny_networks: [link-local, 'fc00::/7', 192.0.2.1]}\n"
                "services:\n  - {url: 'http://a.example/', interval_sec: 30}\n");
  EXPECT_FALSE(settings.agent.enabled);
  EXPECT_FALSE(settings.exporter.enabled);
  EXPECT_FALSE(settings.collector.enabled);
  EXPECT_EQ(settings.exporter.uri, kUri);
  EXPECT_EQ(settings.exporter.remote_retention, 2160h);
  EXPECT_EQ(settings.collector.keep_exported, 0s);
  EXPECT_EQ(settings.collector.local_retention, 48h);
  EXPECT_EQ(settings.collector.rollup_hours, 24h * 30);
  EXPECT_EQ(settings.exporter.rollup_hours, 24h * 30);
  EXPECT_EQ(settings.collector.rollup_days, 24h * 400);
  EXPECT_EQ(settings.exporter.rollup_days, 24h * 400);
  EXPECT_EQ(settings.storage.path, "/home/somebody/x.sqlite3");
  EXPECT_EQ(settings.storage.max_size, 1ULL << 30);
  EXPECT_FALSE(settings.net.dns_cache);
  EXPECT_EQ(settings.agent.limits.per_host_concurrency, 3U);
  EXPECT_EQ(settings.agent.limits.per_host_rate, 0.5);
  EXPECT_EQ(settings.net.deny_networks, (std::vector<std::string>{"link-local", "fc00::/7", "192.0.2.1"}));
  EXPECT_TRUE(settings.watch);
  EXPECT_EQ(settings.stop_grace, 0s);
  ASSERT_EQ(settings.agent.services.size(), 1U);
  EXPECT_EQ(settings.agent.services[0].target, "http://a.example/");
}

TEST_F(Load, ExpandsVariablesAndKeepsTheTypedText) {
  const ScopedVariable host("MONITOR_TEST_HOST", "a.example");
  const ScopedVariable token("MONITOR_TEST_TOKEN", "s3cr3t");
  const ScopedVariable keep("MONITOR_TEST_KEEP", "2h");
  const auto settings = load_text(
      "local_database_path: '/tmp/${MONITOR_TEST_HOST}'\n"
      "external_database_uri: 'postgresql://u:${MONITOR_TEST_TOKEN}@h/db'\n"
      "keep_exported: '${MONITOR_TEST_KEEP}'\n"
      "services:\n"
      "  - url: 'https://${MONITOR_TEST_HOST}/?t=${MONITOR_TEST_TOKEN}&p=$${x}$1'\n"
      "    interval_sec: 60\n    regex: '^${2}$'\n");
  EXPECT_EQ(settings.storage.path, "/tmp/a.example");
  EXPECT_EQ(settings.exporter.uri, "postgresql://u:s3cr3t@h/db");
  EXPECT_EQ(settings.collector.keep_exported, 2h);
  ASSERT_EQ(settings.agent.services.size(), 1U);
  const auto& service = settings.agent.services[0];
  EXPECT_EQ(service.url, "https://${MONITOR_TEST_HOST}/?t=${MONITOR_TEST_TOKEN}&p=$${x}$1");
  EXPECT_EQ(service.target, "https://a.example/?t=s3cr3t&p=${x}$1");
  EXPECT_EQ(service.regex, "^${2}$");
}

TEST_F(Load, TakesJsonLiterally) {
  const ScopedVariable set("MONITOR_TEST_HOST", "a.example");
  const ScopedVariable unset("MONITOR_TEST_UNSET", nullptr);
  const auto settings =
      load_text(R"({"local_database_path": "/tmp/${MONITOR_TEST_HOST}/$${x", "external_database_uri": )"
                R"("postgresql://u:${MONITOR_TEST_UNSET}@h/db", "services": [{"url": )"
                R"("http://a.example/${MONITOR_TEST_HOST}?a=${MONITOR_TEST_UNSET}&b=$${", "interval_sec": 60}, )"
                R"({"url": "http://b.example/", "name": "${x}", "interval_sec": 60}]})");
  EXPECT_EQ(settings.storage.path, "/tmp/${MONITOR_TEST_HOST}/$${x");
  EXPECT_EQ(settings.exporter.uri, "postgresql://u:${MONITOR_TEST_UNSET}@h/db");
  ASSERT_EQ(settings.agent.services.size(), 2U);
  EXPECT_EQ(settings.agent.services[0].target, "http://a.example/${MONITOR_TEST_HOST}?a=${MONITOR_TEST_UNSET}&b=$${");
  EXPECT_EQ(settings.agent.services[1].name, "${x}");
}

TEST_F(Load, TakesAVariablesNameInJsonForThePasswordItIs) {
  const auto warned = ElementsAre(AllOf(HasSubstr("config: "), HasSubstr("chmod o-r")));
  EXPECT_THAT(load_text(R"({"external_database_uri": "postgresql://u:${X}@h/db"})", 0644).warnings, warned);
  EXPECT_THAT(load_text(R"({"services": [{"url": "http://u:${X}@a.example/", "timeout": 1}]})", 0644).warnings, warned);
}

TEST_F(Load, RefusesAUriWhereTheNameOfItsFileBelongs) {
  const ScopedVariable token("MONITOR_TEST_TOKEN", "postgresql://u:hunter2@h/db");
  for (const auto* value : {"postgresql://u:hunter2@h/db", "'postgresql://u:hunter2${MONITOR_TEST_TOKEN}@h/db'",
                            "'${MONITOR_TEST_TOKEN}'", "host=h password=hunter2", "https://u:hunter2@h/"}) {
    EXPECT_THAT(error_of_text(std::string("external_database_uri_file: ") + value + "\n"),
                AllOf(HasSubstr("config:1:29: "), HasSubstr("that is a URI: use external_database_uri"),
                      Not(HasSubstr("hunter2"))));
  }
}

TEST_F(Load, RepeatsNoSecretThatStandsInTheWrongPlace) {
  const std::string uri = "postgresql://u:hunter2@h/db";
  for (const auto& text : std::vector<std::string>{
           "'" + uri + "': 1\n",
           "'password=hunter2': 1\n",
           "keep_exported: " + uri + "\n",
           "local_max_size: '" + uri + "'\n",
           "dns_cache: " + uri + "\n",
           "workers: '" + uri + "'\n",
           "workers: {agent: " + uri + "}\n",
           "interval_limits: " + uri + "\n",
           "interval_limits: {min: '" + uri + "'}\n",
           "services: [{url: 'http://a/', method: '" + uri + "'}]\n",
           "services: [{url: 'http://a/', timeout: " + uri + "}]\n",
           fmt::format("services: [{{url: 'http://a/', name: '{0}'}}, {{url: 'http://b/', name: '{0}'}}]\n", uri),
       }) {
    EXPECT_THAT(error_of_text(text), AllOf(HasSubstr("config:1:"), Not(HasSubstr("hunter2")))) << text;
  }
  EXPECT_THAT(error_of_text("dns_cache: " + uri + "\n"), HasSubstr("\"postgresql://…\""));
}

TEST_F(Load, RefusesAVariableThatIsNotSet) {
  const ScopedVariable unset("MONITOR_TEST_HOST", nullptr);
  EXPECT_THAT(error_of_text("services:\n  - url: 'http://${MONITOR_TEST_HOST}/'\n"),
              AllOf(HasSubstr("config:2:10: "), HasSubstr("MONITOR_TEST_HOST is not set")));
}

TEST_F(Load, NeverSaysWhatAVariableHolds) {
  const ScopedVariable token("MONITOR_TEST_TOKEN", "ftp://s3cr3t");
  const auto message = error_of_text(
      "external_database_uri: '${MONITOR_TEST_TOKEN}'\n"
      "keep_exported: '${MONITOR_TEST_TOKEN}'\n"
      "services:\n  - url: '${MONITOR_TEST_TOKEN}'\n");
  EXPECT_THAT(message, AllOf(HasSubstr("config:1:24: "), HasSubstr("config:2:16: "), HasSubstr("config:4:10: "),
                             Not(HasSubstr("s3cr3t"))));
}

TEST_F(Load, ReadsTheUriFromAFileBesideTheConfiguration) {
  test::write_file(folder_ / "dsn", std::string(kUri) + "\n");
  EXPECT_EQ(load_text("external_database_uri_file: dsn\n").exporter.uri, kUri);
  test::write_file(folder_ / "dsn", std::string(kUri) + "\r\n");
  EXPECT_EQ(load_text("external_database_uri_file: ./dsn\n").exporter.uri, kUri);
}

TEST_F(Load, ReadsTheUriFromAnAbsolutePathAndFromTheHomeFolder) {
  const monitor::test::TempDir elsewhere;
  const ScopedVariable home("HOME", elsewhere.path().c_str());
  test::write_file(elsewhere / "dsn", kUri);
  EXPECT_EQ(load_text("external_database_uri_file: " + (elsewhere / "dsn").string() + "\n").exporter.uri, kUri);
  EXPECT_EQ(load_text("external_database_uri_file: ~/dsn\n").exporter.uri, kUri);
}

TEST_F(Load, ReadsABareNameFromTheCredentialsFolder) {
  const monitor::test::TempDir credentials;
  const ScopedVariable folder("CREDENTIALS_DIRECTORY", credentials.path().c_str());
  test::write_file(credentials / "dsn", kUri, 0400);
  EXPECT_EQ(load_text("external_database_uri_file: dsn\n").exporter.uri, kUri);
  EXPECT_THAT(error_of_text("external_database_uri_file: other\n"), HasSubstr("systemd's credentials"));
  EXPECT_THAT(error_of_text("external_database_uri_file: sub/dsn\n"), HasSubstr("no such secret file"));
  test::write_file(folder_ / "dsn", "postgresql://beside/db");
  EXPECT_EQ(load_text("external_database_uri_file: dsn\n").exporter.uri, kUri) << "what systemd hands over comes first";
  std::filesystem::remove(credentials / "dsn");
  EXPECT_EQ(load_text("external_database_uri_file: dsn\n").exporter.uri, "postgresql://beside/db");
}

TEST_F(Load, TakesAnEmptySecretForNoDatabase) {
  test::write_file(folder_ / "dsn", "");
  EXPECT_EQ(load_text("external_database_uri_file: dsn\n").exporter.uri, "");
  test::write_file(folder_ / "dsn", "\n");
  EXPECT_EQ(load_text("external_database_uri_file: dsn\n").exporter.uri, "");
}

TEST_F(Load, RefusesASecretThatIsNone) {
  EXPECT_THAT(error_of_text("external_database_uri_file: dsn\n"),
              AllOf(HasSubstr("config:1:29: "), HasSubstr("no such secret file")));
  test::write_file(folder_ / "dsn", "mysql://u:hunter2@h/db");
  EXPECT_THAT(error_of_text("external_database_uri_file: dsn\n"),
              AllOf(HasSubstr("config:1:29: "), HasSubstr("not a PostgreSQL URI"), Not(HasSubstr("hunter2"))));
  test::write_file(folder_ / "dsn", std::string((64U << 10) + 1, 'x'));
  EXPECT_THAT(error_of_text("external_database_uri_file: dsn\n"), HasSubstr("65536 are allowed"));
  test::write_file(folder_ / "dsn", kUri, 0622);
  EXPECT_THAT(error_of_text("external_database_uri_file: dsn\n"), HasSubstr("chmod go-w"));
  std::filesystem::create_directory(folder_ / "folder");
  EXPECT_THAT(error_of_text("external_database_uri_file: folder\n"), HasSubstr("not a regular file"));
}

TEST_F(Load, WarnsOfASecretThatEveryoneMayRead) {
  test::write_file(folder_ / "dsn", kUri, 0644);
  EXPECT_THAT(load_text("external_database_uri_file: dsn\n").warnings,
              ElementsAre(AllOf(HasSubstr("dsn: "), HasSubstr("chmod o-r"))));
  const auto warned = ElementsAre(AllOf(HasSubstr("config: "), HasSubstr("chmod o-r"), Not(HasSubstr("1234567890"))));
  EXPECT_THAT(load_text(std::string("external_database_uri: ") + kUri + "\n", 0644).warnings, warned);
  EXPECT_THAT(load_text("services: [{url: 'http://u:p@a.example/', timeout: 1}]\n", 0604).warnings, warned);
  EXPECT_THAT(load_text("services: [{url: 'http://token@a.example/', timeout: 1}]\n", 0644).warnings, warned);
}

TEST_F(Load, DoesNotWarnWhereThereIsNoSecretOrNobodyElseMayReadIt) {
  const ScopedVariable token("MONITOR_TEST_TOKEN", "s3cr3t");
  EXPECT_THAT(load_text(std::string("external_database_uri: ") + kUri + "\n", 0640).warnings, IsEmpty());
  EXPECT_THAT(load_text("external_database_uri: postgresql://user@host/db\n", 0644).warnings, IsEmpty());
  EXPECT_THAT(load_text("external_database_uri: 'postgresql://u:${MONITOR_TEST_TOKEN}@h/db'\n", 0644).warnings,
              IsEmpty());
  EXPECT_THAT(load_text("services: [{url: 'http://u:${MONITOR_TEST_TOKEN}@a.example/', timeout: 1}]\n", 0644).warnings,
              IsEmpty());
  EXPECT_THAT(load_text("services: [{url: 'http://a.example/@u:p', timeout: 1}]\n", 0644).warnings, IsEmpty());
}

TEST_F(Load, WarnsOnceOfTimeoutsAboveTheInterval) {
  const auto one = load_text(
      "services:\n  - {url: 'http://a.example/', interval_sec: 20}\n"
      "  - {url: 'http://b.example/', interval_sec: 10, timeout: 11}\n");
  EXPECT_THAT(one.warnings, ElementsAre(AllOf(HasSubstr("config:3:5: the timeout of 11 s is longer than the interval "
                                                        "of 10 s; "))));
  const auto many = load_text(
      "services:\n  - url: http://a.example/\n  - url: http://b.example/\n"
      "  - url: http://c.example/\n");
  EXPECT_THAT(many.warnings, ElementsAre(AllOf(HasSubstr("config:2:5: "), HasSubstr("2 more of the services"))));
}

TEST_F(Load, WarnsOfADatabasePathThatDependsOnTheFolder) {
  const auto settings = load_text("local_database_path: local.sqlite3\n");
  EXPECT_TRUE(settings.storage.path.is_absolute());
  EXPECT_THAT(settings.warnings, ElementsAre(HasSubstr("local_database_path is not absolute")));
}

TEST_F(Load, RefusesAFileThatOthersMayWrite) {
  for (const mode_t mode : {0620, 0602, 0666, 0777}) {
    EXPECT_THAT(error_of_text("services: []\n", mode), AllOf(HasSubstr("config: "), HasSubstr("chmod go-w")));
  }
}

TEST_F(Load, RefusesAFileOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const auto file = write("services: []\n", 0600);
  ASSERT_EQ(::chown(file.c_str(), 12345, 0), 0);
  EXPECT_THAT(test::error_of([&] { load(file); }), HasSubstr("belongs to user 12345"));
}

TEST_F(Load, RefusesWhatIsNoFile) {
  EXPECT_THAT(test::error_of([&] { load(folder_ / "none"); }), HasSubstr("monitor config create"));
  EXPECT_THAT(test::error_of([&] { load(folder_.path()); }), HasSubstr("not a regular file"));
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(test::error_of([&] { load(folder_ / "pipe"); }), HasSubstr("not a regular file"));
}

TEST_F(Load, RefusesAFileAbove64MiB) {
  const auto file = write("", 0600);
  std::filesystem::resize_file(file, (64U << 20) + 1);
  EXPECT_THAT(test::error_of([&] { load(file); }), HasSubstr("67108864 are allowed"));
}

TEST_F(Load, FollowsLinksAsMountedConfigurationsAre) {
  const monitor::test::TempDir mounted;
  std::filesystem::create_directory(mounted / "..2024");
  test::write_file(mounted / "..2024/config", "services: []\nexternal_database_uri_file: dsn\n");
  std::filesystem::create_symlink("..2024", mounted / "..data");
  std::filesystem::create_symlink("..data/config", mounted / "config");
  test::write_file(mounted / "dsn", kUri);
  EXPECT_EQ(load(mounted / "config").exporter.uri, kUri);
}

}  // namespace
}  // namespace monitor::config
