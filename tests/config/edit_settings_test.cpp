#include "config/edit_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config_files.h"
#include "support/temp_dir.h"

namespace monitor::config {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

probe::Service service_with(std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
  probe::Service service;
  service.url = "https://a.example/";
  service.method = "GET";
  for (const auto& [path, value] : values) set(service, path, value);
  return service;
}

std::string settings_of(std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
  return service_with(values).settings;
}

std::string error_of_set(std::string_view path, std::string_view value) {
  return test::error_of([&] { service_with({{path, value}}); });
}

TEST(Set, TakesScalarsListsAndMappings) {
  EXPECT_EQ(settings_of({{"expect.status", "2xx"}}), R"({"expect":{"status":"2xx"}})");
  EXPECT_EQ(settings_of({{"expect.status", "200"}}), R"({"expect":{"status":200}})");
  EXPECT_EQ(settings_of({{"expect.status", "[2xx, 404]"}}), R"({"expect":{"status":["2xx",404]}})");
  EXPECT_EQ(settings_of({{"tls.verify", "false"}}), R"({"tls":{"verify":false}})");
  EXPECT_EQ(settings_of({{"tls.min", "1.3"}}), R"({"tls":{"min":"1.3"}})");
  EXPECT_EQ(settings_of({{"redirects", "{follow: true, max: 3}"}}), R"({"redirects":{"follow":true,"max":3}})");
  EXPECT_EQ(settings_of({{"expect.json", R"([{"pointer":"/a","equals":1.50}, {pointer: /b, exists: true}])"}}),
            R"({"expect":{"json":[{"pointer":"/a","equals":1.50},{"pointer":"/b","exists":true}]}})");
  EXPECT_EQ(settings_of({{"expect.max_phase.dns", "100ms"}}), R"({"expect":{"max_phase":{"dns":"100ms"}}})");
  EXPECT_EQ(settings_of({{"evidence", "none"}}), R"({"evidence":"none"})");
}

TEST(Set, KeepsTextThatLooksLikeANumberOrABooleanWhereTextIsMeant) {
  EXPECT_EQ(settings_of({{"headers.X-Version", "1e5"}, {"headers.X-On", "true"}}),
            R"({"headers":{"X-Version":"1e5","X-On":"true"}})");
  EXPECT_EQ(settings_of({{"auth.basic.password", "0123"}}), R"({"auth":{"basic":{"password":"0123"}}})");
  EXPECT_EQ(settings_of({{"expect.body", "404"}}), R"({"expect":{"body":"404"}})");
  EXPECT_EQ(settings_of({{"body", R"({"a": 1})"}}), R"({"body":"{\"a\": 1}"})");
  EXPECT_EQ(settings_of({{"connect_to", "[::1]:8443"}, {"resolver", "[::1]"}}),
            R"({"connect_to":"[::1]:8443","resolver":"[::1]"})");
  EXPECT_EQ(settings_of({{"auth.bearer.token", "{a}"}}), R"({"auth":{"bearer":{"token":"{a}"}}})");
  EXPECT_EQ(settings_of({{"expect.body", "[a-z]+"}}), R"({"expect":{"body":"[a-z]+"}})");
  EXPECT_EQ(settings_of({{"body", "a=b, c: \"d\""}}), R"({"body":"a=b, c: \"d\""})");
}

TEST(Set, PutsKeysIntoTheOrderInWhichTheyAreWritten) {
  EXPECT_EQ(settings_of({{"recheck.times", "2"},
                         {"expect.warn_time", "1s"},
                         {"expect.status", "2xx"},
                         {"headers.B", "1"},
                         {"headers.A", "2"}}),
            R"({"headers":{"B":"1","A":"2"},"expect":{"status":"2xx","warn_time":"1s"},"recheck":{"times":2}})");
}

TEST(Set, TakesAllBehindHeadersForOneName) {
  EXPECT_EQ(settings_of({{"headers.X.Y.Z", "1"}}), R"({"headers":{"X.Y.Z":"1"}})");
  EXPECT_EQ(settings_of({{"expect.headers.X.Y", "^a"}}), R"({"expect":{"headers":{"X.Y":"^a"}}})");
  EXPECT_EQ(settings_of({{"expect.headers_not.Server", "true"}}), R"({"expect":{"headers_not":{"Server":true}}})");
  EXPECT_EQ(settings_of({{"headers.X-Token", "{file: token}"}}), R"({"headers":{"X-Token":{"file":"token"}}})");
}

TEST(Set, ReplacesWhatWasThereWhateverTheCaseOfAHeader) {
  EXPECT_EQ(settings_of({{"expect.status", "[200, 201]"}, {"expect.status", "2xx"}}), R"({"expect":{"status":"2xx"}})");
  EXPECT_EQ(settings_of({{"headers.X-Env", "prod"}, {"headers.x-env", "test"}}), R"({"headers":{"x-env":"test"}})");
  EXPECT_EQ(settings_of({{"evidence", "none"}, {"evidence.bytes", "10"}}), R"({"evidence":{"bytes":10}})");
  EXPECT_EQ(settings_of({{"tls", "{verify: false}"}, {"tls", "{min: '1.3'}"}}), R"({"tls":{"min":"1.3"}})");
}

TEST(Set, TakesAKeyAwayWithAllBelowItAndWhatThatLeavesEmpty) {
  EXPECT_EQ(settings_of({{"tls.verify", "false"}, {"tls.min", "1.3"}, {"tls.min", ""}}), R"({"tls":{"verify":false}})");
  EXPECT_EQ(settings_of({{"tls.verify", "false"}, {"expect.status", "2xx"}, {"tls", ""}}),
            R"({"expect":{"status":"2xx"}})");
  EXPECT_EQ(settings_of({{"expect.max_phase.dns", "1s"}, {"expect.max_phase.dns", ""}}), "");
  EXPECT_EQ(settings_of({{"headers.X-Env", "prod"}, {"headers.x-env", ""}}), "");
  EXPECT_EQ(settings_of({{"tls", ""}}), "");
  EXPECT_EQ(settings_of({{"evidence", "none"}, {"evidence.bytes", ""}}), R"({"evidence":"none"})");
}

TEST(Set, TakesThePredecessorsKeys) {
  const auto service = service_with({{"name", "123a"},
                                     {"url", "http://b.example/?a=b"},
                                     {"method", "POST"},
                                     {"regex", "404"},
                                     {"check_regex", "true"},
                                     {"interval_sec", "86400"},
                                     {"timeout", "7"},
                                     {"body_limit", "64 KiB"}});
  EXPECT_EQ(service.name, "123a");
  EXPECT_EQ(service.url, "http://b.example/?a=b");
  EXPECT_EQ(service.method, "POST");
  EXPECT_EQ(service.regex, "404");
  EXPECT_TRUE(service.check_regex);
  EXPECT_EQ(service.interval, 86400s);
  EXPECT_EQ(service.timeout, 7s);
  EXPECT_EQ(service.body_limit, 65536U);
  EXPECT_EQ(service.settings, "");
}

TEST(Set, GivesThePredecessorsKeysTheirDefaultsBack) {
  auto service = service_with({{"name", "a"}, {"method", "POST"}, {"regex", "x"}, {"timeout", "7"}});
  for (const auto* path : {"name", "method", "regex", "timeout"}) set(service, path, "");
  EXPECT_EQ(service.name, "");
  EXPECT_EQ(service.method, "GET");
  EXPECT_EQ(service.regex, std::nullopt);
  EXPECT_EQ(service.timeout, 15s);
  EXPECT_THAT(error_of_set("url", ""), HasSubstr("--set url: a service needs a url"));
}

TEST(Set, NamesThePathOfWhatItRefuses) {
  EXPECT_THAT(error_of_set("expect.status", "2yy"),
              StartsWith("--set expect.status: \"2yy\" is not a status; it must be such as 200, 2xx or 301-303"));
  EXPECT_THAT(error_of_set("interval_sec", "soon"), StartsWith("--set interval_sec: interval_sec is the text"));
  EXPECT_THAT(error_of_set("regex", "(?=x)"), StartsWith("--set regex: "));
  EXPECT_THAT(error_of_set("redirects.max", "21"), HasSubstr("max is 21; it must be from 1 to 20"));
  EXPECT_THAT(error_of_set("expect.json", "[{pointer: /a]"), HasSubstr("a text in brackets is written in a list"));
  EXPECT_THAT(error_of_set("expect.json", "[]\n- []"), HasSubstr("write one list or one mapping"));
  EXPECT_THAT(error_of_set("headers.Connection", "close"), HasSubstr("Connection is for us to say"));
  EXPECT_THAT(error_of_set("", "x"), HasSubstr("--set needs PATH=VALUE"));
}

TEST(Set, RefusesAPathThatLeadsNowhereWhetherItGivesOrTakesAway) {
  for (const std::string_view value : {"1", ""}) {
    EXPECT_THAT(error_of_set("tlss.verify", value), HasSubstr("did you mean `tls`?")) << value;
    EXPECT_THAT(error_of_set("tls.veryfi", value), HasSubstr("did you mean `verify`?")) << value;
    EXPECT_THAT(error_of_set("tls.ca.file", value), StartsWith("--set tls.ca.file: ca is a mapping")) << value;
    EXPECT_THAT(error_of_set("expect..status", value), StartsWith("--set expect..status: ")) << value;
    EXPECT_THAT(error_of_set("headers.", value), HasSubstr("the header has no name")) << value;
    EXPECT_THAT(error_of_set("body_limits", value), HasSubstr("did you mean `body_limit`?")) << value;
  }
}

TEST(Set, NeverRepeatsASecret) {
  EXPECT_THAT(error_of_set("auth.bearer.token", "hunter2 hunter2"), Not(HasSubstr("hunter2")));
  EXPECT_THAT(error_of_set("headers.X-Token", "hunter2\x01"), Not(HasSubstr("hunter2")));
  EXPECT_THAT(error_of_set("proxy", "https://u:hunter2@a.example/"), Not(HasSubstr("hunter2")));
  EXPECT_THAT(error_of_set("auth.oauth2.token_url", "ftp://u:hunter2@a.example/"), Not(HasSubstr("hunter2")));
  EXPECT_THAT(error_of_set("url=http://u:hunter2@a.example/", "x"), Not(HasSubstr("hunter2")));
}

TEST(Set, LeavesWhatAVariableStandsForToTheEnd) {
  EXPECT_EQ(settings_of({{"family", "${FAMILY}"}}), R"({"family":"${FAMILY}"})");
  EXPECT_EQ(settings_of({{"url", "${URL}"}}), "");
}

TEST(Set, KnowsWhichPathsAreSecrets) {
  for (const auto* path :
       {"auth.basic.password", "auth.bearer.token", "auth.oauth2.client_secret", "auth", "auth.basic",
        "headers.Authorization", "headers.X-Api-Key", "headers.X-Token", "headers.cookie", "proxy"}) {
    EXPECT_TRUE(is_secret(path)) << path;
  }
  for (const auto* path : {"auth.basic.user", "auth.basic.password_file", "headers.Accept", "tls.key", "url", "body"}) {
    EXPECT_FALSE(is_secret(path)) << path;
  }
}

class LoadOne : public testing::Test {
 protected:
  monitor::test::TempDir folder_;
  const std::filesystem::path beside_ = folder_ / "config";
  test::ScopedVariable no_credentials_{"CREDENTIALS_DIRECTORY", nullptr};
};

TEST_F(LoadOne, ExpandsAndReadsWhatAServiceNames) {
  const test::ScopedVariable host("MONITOR_TEST_HOST", "b.example");
  test::write_file(folder_ / "token", "s3cr3t\n", 0644);
  auto typed = service_with({{"url", "https://${MONITOR_TEST_HOST}/"},
                             {"interval_sec", "86400"},
                             {"auth.bearer.token_file", "token"},
                             {"headers.X-Host", "${MONITOR_TEST_HOST}"}});
  const auto ready = load_one(typed, Format::kYaml, beside_);
  EXPECT_EQ(ready.service.target, "https://b.example/");
  EXPECT_EQ(ready.service.url, "https://${MONITOR_TEST_HOST}/");
  EXPECT_EQ(ready.service.spec().auth.secret.reveal(), "s3cr3t");
  ASSERT_EQ(ready.service.spec().headers.size(), 1U);
  EXPECT_EQ(ready.service.spec().headers[0].value.reveal(), "b.example");
  EXPECT_THAT(ready.warnings, ElementsAre(AllOf(HasSubstr("token: the file holds a secret"), HasSubstr("chmod o-r"))));
}

TEST_F(LoadOne, TakesTheVariablesOfAJsonDocumentLiterally) {
  const auto ready = load_one(service_with({{"headers.X-Host", "${MONITOR_TEST_HOST}"}}), Format::kJson, beside_);
  EXPECT_EQ(ready.service.spec().headers[0].value.reveal(), "${MONITOR_TEST_HOST}");
  EXPECT_THAT(ready.warnings, IsEmpty());
}

TEST_F(LoadOne, JudgesWhatTheKeysMustKeepTogether) {
  const auto error = [&](const probe::Service& service) {
    return test::error_of([&] { load_one(service, Format::kYaml, beside_); });
  };
  EXPECT_EQ(error(service_with({{"auth.basic.user", "u"}})),
            "GET https://a.example/: basic needs one of password and password_file");
  EXPECT_THAT(error(service_with({{"method", "HEAD"}, {"expect.sha256", std::string(64, 'a')}})),
              HasSubstr("the answer to HEAD has no body"));
  EXPECT_THAT(error(service_with({{"headers.X", "${MONITOR_TEST_UNSET}"}})),
              HasSubstr("MONITOR_TEST_UNSET is not set"));
  EXPECT_THAT(error(service_with({{"tls.ca", "none.pem"}})), HasSubstr("none.pem: there is no such"));
}

TEST_F(LoadOne, TakesAServiceOfADocumentAndIgnoresTheOthers) {
  const auto document =
      read(test::write_file(beside_,
                            "services:\n  - {url: 'http://a.example/', name: a, proxy: '${UNSET_1}'}\n"
                            "  - {url: 'http://b.example/', name: b, expect: {status: 204}}\n"));
  const auto ready = load_one(document.services[1], document.format, document.file);
  EXPECT_EQ(ready.service.spec().expect.status, (std::vector{probe::StatusRange{204, 204}}));
}

class ServiceFile : public LoadOne {};

TEST_F(ServiceFile, HoldsOneServiceInYamlOrJson) {
  const auto yaml = read_service_file(test::write_file(
      folder_ / "s.yaml", "url: https://a.example/\nname: a\ninterval_sec: 1\nexpect:\n  status: 2xx\n"));
  EXPECT_EQ(yaml.name, "a");
  EXPECT_EQ(yaml.interval, 1s);
  EXPECT_EQ(yaml.settings, R"({"expect":{"status":"2xx"}})");
  const auto json = read_service_file(
      test::write_file(folder_ / "s.json", R"({"url": "https://a.example/", "expect": {"status": [204]}})"));
  EXPECT_EQ(json.settings, R"({"expect":{"status":[204]}})");
  EXPECT_EQ(json.method, "GET");
}

TEST_F(ServiceFile, IsReadAsStrictlyAsTheConfiguration) {
  const auto error = [&](const std::string& text) {
    const auto file = test::write_file(folder_ / "s.yaml", text);
    return test::error_of([&] { read_service_file(file); });
  };
  EXPECT_THAT(error("url: https://a.example/\nexpect:\n  staus: 2xx\n"),
              AllOf(HasSubstr("s.yaml:3:3: "), HasSubstr("did you mean `status`?")));
  EXPECT_THAT(error("name: a\n"), HasSubstr("s.yaml:1:1: this service has no url"));
  EXPECT_THAT(error("- url: https://a.example/\n"), HasSubstr("this service is a list"));
  EXPECT_THAT(test::error_of([&] { read_service_file(folder_ / "none"); }), HasSubstr("none"));
}

}  // namespace
}  // namespace monitor::config
