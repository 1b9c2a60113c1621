// What the keys of a service beyond the predecessor's become.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config_files.h"
#include "config/document.h"
#include "config/settings.h"
#include "support/temp_dir.h"

namespace monitor::config {
namespace {

using namespace std::chrono_literals;
using probe::HeaderRule;
using probe::JsonRule;
using probe::StatusRange;
using test::ScopedVariable;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class Spec : public testing::Test {
 protected:
  /// The settings of a configuration whose one service has these lines as well.
  Settings load_service(const std::string& lines, mode_t mode = 0600) {
    return load(write("services:\n  - url: https://a.example/\n    timeout: 5\n" + lines, mode));
  }
  probe::Spec spec_of(const std::string& lines) { return load_service(lines).agent.services.at(0).spec(); }
  std::string shown(const std::string& lines) { return spec_of(lines).shown; }
  std::string error_of_service(const std::string& lines) {
    return test::error_of([&] { load_service(lines); });
  }
  std::filesystem::path write(const std::string& text, mode_t mode = 0600) {
    return test::write_file(folder_ / "config", text, mode);
  }

  monitor::test::TempDir folder_;
  ScopedVariable no_credentials_{"CREDENTIALS_DIRECTORY", nullptr};
  ScopedVariable token_{"MONITOR_TEST_TOKEN", "s3cr3t"};
};

TEST_F(Spec, IsTheDefaultWhereNothingIsSaid) {
  const auto settings = load_service("");
  EXPECT_EQ(settings.agent.services[0].extra, nullptr);
  EXPECT_EQ(settings.agent.services[0].spec().redirects, probe::Redirects{});
}

TEST_F(Spec, CarriesTheRequest) {
  const auto spec = spec_of(
      "    headers:\n      X-Token: 'Bearer ${MONITOR_TEST_TOKEN}'\n      Accept: application/json\n"
      "      X-Number: 1.0\n      X-Boolean: yes\n      X-Empty: ''\n    body: 'a=${MONITOR_TEST_TOKEN}'\n");
  ASSERT_EQ(spec.headers.size(), 5U);
  EXPECT_EQ(spec.headers[0].name, "X-Token");
  EXPECT_EQ(spec.headers[0].value.reveal(), "Bearer s3cr3t");
  EXPECT_EQ(spec.headers[2].value.reveal(), "1.0");
  EXPECT_EQ(spec.headers[3].value.reveal(), "yes");
  EXPECT_EQ(spec.headers[4].value.reveal(), "");
  EXPECT_EQ(spec.body.reveal(), "a=s3cr3t");
}

TEST_F(Spec, ReadsHeadersAndBodiesFromFilesBesideTheConfiguration) {
  test::write_file(folder_ / "token.txt", "s3cr3t\n");
  test::write_file(folder_ / "body.json", "{\"a\":\n1}\n");
  const auto spec = spec_of("    headers: {X-Token: {file: token.txt}}\n    body_file: body.json\n");
  ASSERT_EQ(spec.headers.size(), 1U);
  EXPECT_EQ(spec.headers[0].value.reveal(), "s3cr3t");
  EXPECT_EQ(spec.body.reveal(), "{\"a\":\n1}\n") << "a body is sent as it is";
  EXPECT_EQ(spec.shown, R"({"headers":{"X-Token":{"file":"token.txt"}},"body_file":"body.json"})");
}

TEST_F(Spec, CarriesEachAuthentication) {
  using Kind = probe::Auth::Kind;
  test::write_file(folder_ / "secret", "s3cr3t\n");
  const auto basic = spec_of("    auth: {basic: {user: u, password: '${MONITOR_TEST_TOKEN}'}}\n").auth;
  EXPECT_EQ(basic.kind, Kind::kBasic);
  EXPECT_EQ(basic.user, "u");
  EXPECT_EQ(basic.secret.reveal(), "s3cr3t");
  EXPECT_EQ(spec_of("    auth: {basic: {user: u, password_file: secret}}\n").auth, basic);
  const auto bearer = spec_of("    auth: {bearer: {token_file: secret}}\n").auth;
  EXPECT_EQ(bearer.kind, Kind::kBearer);
  EXPECT_EQ(bearer.secret.reveal(), "s3cr3t");
  EXPECT_EQ(spec_of("    auth: {bearer: {token: s3cr3t}}\n").auth, bearer);
  const auto oauth = spec_of(
                         "    auth:\n      oauth2:\n        token_url: https://id.example/token\n"
                         "        client_id: monitor\n        client_secret_file: secret\n        scope: read status\n")
                         .auth;
  EXPECT_EQ(oauth.kind, Kind::kOauth2);
  EXPECT_EQ(oauth.user, "monitor");
  EXPECT_EQ(oauth.secret.reveal(), "s3cr3t");
  EXPECT_EQ(oauth.token_url, "https://id.example/token");
  EXPECT_EQ(oauth.scope, "read status");
}

TEST_F(Spec, TakesSecretsFromSystemdsCredentials) {
  const monitor::test::TempDir credentials;
  const ScopedVariable folder("CREDENTIALS_DIRECTORY", credentials.path().c_str());
  test::write_file(credentials / "secret", "s3cr3t", 0400);
  EXPECT_EQ(spec_of("    auth: {bearer: {token_file: secret}}\n").auth.secret.reveal(), "s3cr3t");
}

TEST_F(Spec, CarriesTlsWithFilesBesideTheConfiguration) {
  test::write_file(folder_ / "ca.pem", "-----BEGIN CERTIFICATE-----\n");
  test::write_file(folder_ / "key.pem", "-----BEGIN EC PRIVATE KEY-----\n");
  const auto tls = spec_of(
                       "    tls: {ca: ca.pem, cert: ./ca.pem, key: key.pem, server_name: b.example, verify: off, "
                       "min: 1.3, max: '1.3'}\n")
                       .tls;
  EXPECT_EQ(tls.ca, folder_ / "ca.pem");
  EXPECT_EQ(std::filesystem::path(tls.cert).lexically_normal(), folder_ / "ca.pem");
  EXPECT_EQ(tls.key, folder_ / "key.pem");
  EXPECT_EQ(tls.server_name, "b.example");
  EXPECT_FALSE(tls.verify);
  EXPECT_EQ(tls.min, net::TlsVersion::k13);
  EXPECT_EQ(tls.max, net::TlsVersion::k13);
}

TEST_F(Spec, RefusesFilesThatAreNoCertificatesAndKeys) {
  test::write_file(folder_ / "ca.pem", "-----BEGIN CERTIFICATE-----\n");
  test::write_file(folder_ / "key.pem", "-----BEGIN EC PRIVATE KEY-----\n");
  test::write_file(folder_ / "locked.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n");
  test::write_file(folder_ / "text", "hunter2\n");
  EXPECT_THAT(error_of_service("    tls: {ca: none.pem}\n"),
              AllOf(HasSubstr("config:4:15: ca: "), HasSubstr("none.pem: there is no such")));
  EXPECT_THAT(error_of_service("    tls: {cert: key.pem, key: ca.pem}\n"),
              AllOf(HasSubstr("config:4:17: cert: the file "), HasSubstr("key.pem holds no certificate in PEM"),
                    HasSubstr("config:4:31: key: the file "), HasSubstr("ca.pem holds no private key in PEM")));
  EXPECT_THAT(error_of_service("    tls: {cert: ca.pem, key: locked.pem}\n"), HasSubstr("has a passphrase"));
  EXPECT_THAT(error_of_service("    tls: {ca: text}\n"),
              AllOf(HasSubstr("holds no certificate in PEM"), Not(HasSubstr("hunter2"))));
}

TEST_F(Spec, CarriesTheWayToTheServer) {
  const auto spec = spec_of(
      "    redirects: {follow: true, max: 20}\n    family: ipv6\n    connect_to: '[::1]:8443'\n"
      "    resolver: 127.0.0.1:5353\n    connection: reuse\n    compression: true\n");
  EXPECT_TRUE(spec.redirects.follow);
  EXPECT_EQ(spec.redirects.max, 20);
  EXPECT_EQ(spec.family, net::AddressFamily::kIpv6);
  EXPECT_EQ(spec.connect_to, (probe::HostPort{"::1", 8443}));
  EXPECT_EQ(spec.resolver, "127.0.0.1:5353");
  EXPECT_TRUE(spec.reuse);
  EXPECT_TRUE(spec.compression);
  EXPECT_EQ(spec_of("    connect_to: b.example:443\n").connect_to, (probe::HostPort{"b.example", 443}));
  EXPECT_EQ(spec_of("    proxy: http://u:${MONITOR_TEST_TOKEN}@p.example:3128\n").proxy,
            "http://u:s3cr3t@p.example:3128");
  EXPECT_EQ(spec_of("    resolver: 127.0.0.1\n").resolver, "127.0.0.1:53");
  for (const auto* resolver : {"::1", "'[::1]'", "'[::1]:53'"}) {
    EXPECT_EQ(spec_of(fmt::format("    resolver: {}\n", resolver)).resolver, "[::1]:53");
  }
}

TEST_F(Spec, CarriesWhatIsExpected) {
  const auto expect = spec_of(
                          "    expect:\n      status: [2xx, 301-303, 404]\n      body: [a, 'b+']\n      body_not: c\n"
                          "      headers: {Content-Type: '^text/html', X-A: [a, b], X-B: true}\n"
                          "      headers_not: {Server: Apache, X-C: true}\n"
                          "      max_time: 2s\n      warn_time: 0.5\n      cert_days: 14\n      tls_min: '1.3'\n"
                          "      max_phase: {dns: 100ms, connect: 1s, tls: 1500ms, first_byte: 1.25s, transfer: 2}\n"
                          "      sha256: 00000000000000000000000000000000000000000000000000000000000000AB\n")
                          .expect;
  EXPECT_THAT(expect.status, ElementsAre(StatusRange{200, 299}, StatusRange{301, 303}, StatusRange{404, 404}));
  EXPECT_THAT(expect.body, ElementsAre("a", "b+"));
  EXPECT_THAT(expect.body_not, ElementsAre("c"));
  EXPECT_THAT(expect.headers, ElementsAre(HeaderRule{"Content-Type", "^text/html"}, HeaderRule{"X-A", "a"},
                                          HeaderRule{"X-A", "b"}, HeaderRule{"X-B", ""}));
  EXPECT_THAT(expect.headers_not, ElementsAre(HeaderRule{"Server", "Apache"}, HeaderRule{"X-C", ""}));
  EXPECT_EQ(expect.max_time, 2s);
  EXPECT_EQ(expect.warn_time, 500ms);
  EXPECT_EQ(expect.cert_days, 14);
  EXPECT_EQ(expect.tls_min, net::TlsVersion::k13);
  EXPECT_EQ(expect.max_dns, 100ms);
  EXPECT_EQ(expect.max_connect, 1s);
  EXPECT_EQ(expect.max_tls, 1500ms);
  EXPECT_EQ(expect.max_first_byte, 1250ms);
  EXPECT_EQ(expect.max_transfer, 2s);
  EXPECT_EQ(expect.sha256, std::string(62, '0') + "ab");
  EXPECT_THAT(spec_of("    expect: {status: 200}\n").expect.status, ElementsAre(StatusRange{200, 200}));
  EXPECT_THAT(spec_of("    expect: {status: 3xx}\n").expect.status, ElementsAre(StatusRange{300, 399}));
}

TEST_F(Spec, CarriesRulesForJson) {
  using Is = JsonRule::Is;
  const auto rules = spec_of(
                         "    expect:\n      json:\n        - {pointer: /a, equals: ok}\n"
                         "        - {pointer: /b, equals: 1.50}\n        - {pointer: /c, not_equals: true}\n"
                         "        - {pointer: /d, equals: '1'}\n        - {pointer: /e, equals: ~}\n"
                         "        - {pointer: /f, exists: false}\n        - {pointer: /g, exists: true}\n"
                         "        - {pointer: /h, above: 1, at_most: -2.5e3}\n"
                         "        - {pointer: /i, below: 1}\n        - {pointer: /j, at_least: 1}\n"
                         "        - {pointer: '', equals: {a: [1, '${MONITOR_TEST_TOKEN}']}}\n")
                         .expect.json;
  EXPECT_THAT(rules,
              ElementsAre(JsonRule{"/a", Is::kEqual, "\"ok\""}, JsonRule{"/b", Is::kEqual, "1.50"},
                          JsonRule{"/c", Is::kNotEqual, "true"}, JsonRule{"/d", Is::kEqual, "\"1\""},
                          JsonRule{"/e", Is::kEqual, "null"}, JsonRule{"/f", Is::kMissing, ""},
                          JsonRule{"/g", Is::kExisting, ""}, JsonRule{"/h", Is::kAtMost, "-2.5e3"},
                          JsonRule{"/h", Is::kAbove, "1"}, JsonRule{"/i", Is::kBelow, "1"},
                          JsonRule{"/j", Is::kAtLeast, "1"}, JsonRule{"", Is::kEqual, R"({"a":[1,"s3cr3t"]})", true}));
}

TEST_F(Spec, CarriesEvidenceAndRecheck) {
  EXPECT_TRUE(spec_of("    evidence: none\n").evidence.none);
  const auto spec =
      spec_of("    evidence: {bytes: 64 KiB, redact: ['id=\\d+']}\n    recheck: {times: 10, every: 60}\n");
  EXPECT_EQ(spec.evidence.bytes, 65536U);
  EXPECT_THAT(spec.evidence.redact, ElementsAre("id=\\d+"));
  EXPECT_EQ(spec.recheck.times, 10);
  EXPECT_EQ(spec.recheck.every, 60s);
  EXPECT_EQ(spec_of("    evidence: {bytes: 0}\n").evidence.bytes, 0U);
}

TEST_F(Spec, IsOneForServicesThatSayTheSame) {
  const auto settings =
      load(write("services:\n  - {url: 'http://a.example/', expect: {status: 2xx}}\n"
                 "  - {url: 'http://b.example/', expect: {status: 2xx}}\n  - {url: 'http://c.example/', expect: "
                 "{status: 3xx}}\n"));
  const auto& services = settings.agent.services;
  EXPECT_NE(services[0].extra, nullptr);
  EXPECT_EQ(services[0].extra, services[1].extra);
  EXPECT_NE(services[0].extra, services[2].extra);
  EXPECT_EQ(services[0].settings, "") << "what may hold secrets is not kept where nothing is written back";
}

TEST_F(Spec, TellsFaultsOfEveryServiceThatHasThem) {
  const auto message = test::error_of([&] {
    load(
        write("services:\n  - {url: 'http://a.example/', expect: {status: 2yy}}\n"
              "  - {url: 'http://b.example/', expect: {status: 2yy}}\n"));
  });
  EXPECT_THAT(message, AllOf(HasSubstr("config:2:49: "), HasSubstr("config:3:49: ")));
}

TEST_F(Spec, ShowsEverythingButSecrets) {
  EXPECT_EQ(shown("    headers: {Accept: a, X-Id: 'a${MONITOR_TEST_TOKEN}', Authorization: hunter2, Cookie: hunter2, "
                  "X-Api-Key: hunter2, X-Auth-Token: hunter2}\n"),
            R"({"headers":{"Accept":"a","X-Id":"***","Authorization":"***","Cookie":"***","X-Api-Key":"***",)"
            R"("X-Auth-Token":"***"}})");
  EXPECT_EQ(shown("    body: 'p=${MONITOR_TEST_TOKEN}'\n"), R"({"body":"***"})");
  EXPECT_EQ(shown("    body: user=a&password=hunter2\n"), R"({"body":"***"})");
  EXPECT_EQ(shown("    auth: {basic: {user: u, password: hunter2}}\n"),
            R"({"auth":{"basic":{"user":"u","password":"***"}}})");
  EXPECT_EQ(shown("    auth: {bearer: {token: hunter2}}\n"), R"({"auth":{"bearer":{"token":"***"}}})");
  EXPECT_EQ(shown("    auth: {oauth2: {token_url: 'https://u:hunter2@a.example/', client_id: c, client_secret: "
                  "hunter2}}\n"),
            R"({"auth":{"oauth2":{"token_url":"https://***@a.example/","client_id":"c","client_secret":"***"}}})");
  EXPECT_EQ(shown("    auth: {oauth2: {token_url: 'https://a.example/?t=hunter2', client_id: c, client_secret: x}}\n"),
            R"({"auth":{"oauth2":{"token_url":"https://a.example/?t=***","client_id":"c","client_secret":"***"}}})");
  EXPECT_EQ(shown("    proxy: http://u:hunter2@a.example:1\n"), R"({"proxy":"http://***@a.example:1"})");
  EXPECT_EQ(shown("    proxy: http://a.example:1\n"), R"({"proxy":"http://a.example:1"})");
}

TEST_F(Spec, TakesDownWhatTheEnvironmentGave) {
  const auto values = [this](const std::string& lines) {
    std::vector<std::string> out;
    for (const auto& value : spec_of(lines).values) out.push_back(value.reveal());
    return out;
  };
  const auto one = ElementsAre("s3cr3t");
  EXPECT_THAT(values("    headers: {X-Id: 'a${MONITOR_TEST_TOKEN}'}\n"), one);
  EXPECT_THAT(values("    body: 'p=${MONITOR_TEST_TOKEN}'\n"), one);
  EXPECT_THAT(values("    auth: {bearer: {token: '${MONITOR_TEST_TOKEN}'}}\n"), one);
  EXPECT_THAT(values("    proxy: 'http://u:${MONITOR_TEST_TOKEN}@a.example:1'\n"), one);
  EXPECT_THAT(values("    expect: {json: [{pointer: /a, equals: ['x${MONITOR_TEST_TOKEN}', 1]}]}\n"), one);
  EXPECT_THAT(values("    body: s3cr3t\n"), IsEmpty());
}

TEST_F(Spec, HidesAnExpectationThatTheEnvironmentGave) {
  const auto rules =
      spec_of("    expect: {json: [{pointer: /a, equals: ['${MONITOR_TEST_TOKEN}'], not_equals: b}]}\n").expect.json;
  ASSERT_EQ(rules.size(), 2U);
  EXPECT_TRUE(rules[0].hidden);
  EXPECT_FALSE(rules[1].hidden);
}

TEST_F(Spec, QuotesNoSecretThatStandsInTheWrongPlace) {
  for (const auto* lines :
       {"    auth: hunter2\n", "    auth: {bearer: hunter2}\n", "    auth: {basic: 'u:hunter2'}\n",
        "    auth: {oauth2: hunter2}\n", "    headers: 'Authorization: hunter2'\n",
        "    auth: {basic: {user: 'u:hunter2', password: x}}\n", "    auth: {bearer: {token: 'hunter2 x'}}\n"}) {
    EXPECT_THAT(error_of_service(lines), AllOf(HasSubstr("config:"), Not(HasSubstr("hunter2")))) << lines;
  }
}

TEST_F(Spec, NamesTheVariableThatHoldsNoFilesName) {
  for (const auto* lines :
       {"    auth: {basic: {user: u, password_file: '${MONITOR_TEST_TOKEN}'}}\n",
        "    headers: {X-Token: {file: '${MONITOR_TEST_TOKEN}'}}\n", "    body_file: '${MONITOR_TEST_TOKEN}'\n"}) {
    EXPECT_THAT(error_of_service(lines), AllOf(HasSubstr("${MONITOR_TEST_TOKEN}: "), Not(HasSubstr("s3cr3t"))))
        << lines;
  }
}

TEST_F(Spec, ShowsKeysInOneOrder) {
  EXPECT_EQ(shown("    recheck: {every: 5, times: 1}\n    expect: {warn_time: 1, status: 200}\n    compression: on\n"),
            R"({"compression":true,"expect":{"status":200,"warn_time":1},"recheck":{"times":1,"every":5}})");
}

TEST_F(Spec, WarnsOfSecretsThatEveryoneMayRead) {
  const auto warned = ElementsAre(AllOf(HasSubstr("config: "), HasSubstr("chmod o-r"), Not(HasSubstr("hunter2"))));
  for (const auto* lines :
       {"    headers: {Authorization: hunter2}\n", "    auth: {basic: {user: u, password: hunter2}}\n",
        "    auth: {bearer: {token: hunter2}}\n", "    proxy: http://u:hunter2@a.example:1\n"}) {
    EXPECT_THAT(load_service(lines, 0644).warnings, warned) << lines;
    EXPECT_THAT(load_service(lines, 0600).warnings, IsEmpty()) << lines;
  }
  for (const auto* lines :
       {"    headers: {Authorization: 'Bearer ${MONITOR_TEST_TOKEN}', Accept: a}\n",
        "    auth: {basic: {user: u, password: '${MONITOR_TEST_TOKEN}'}}\n", "    proxy: http://a.example:1\n"}) {
    EXPECT_THAT(load_service(lines, 0644).warnings, IsEmpty()) << lines;
  }
}

TEST_F(Spec, WarnsOnceOfASecretFileThatEveryoneMayRead) {
  test::write_file(folder_ / "secret", "s3cr3t", 0644);
  test::write_file(folder_ / "body", "a", 0644);
  const auto settings = load(write(
      "services:\n  - {url: 'http://a.example/', timeout: 5, auth: {bearer: {token_file: secret}}, body_file: body}\n"
      "  - {url: 'http://b.example/', timeout: 5, headers: {X-Token: {file: secret}}}\n"));
  EXPECT_THAT(settings.warnings,
              ElementsAre(AllOf(HasSubstr("secret: the file holds a secret"), HasSubstr("chmod o-r"))));
}

TEST_F(Spec, RefusesFilesThatCannotBeSecrets) {
  EXPECT_THAT(error_of_service("    auth: {bearer: {token_file: none}}\n"),
              AllOf(HasSubstr("config:4:33: token_file: "), HasSubstr("there is no such secret file")));
  test::write_file(folder_ / "empty", "\n");
  EXPECT_THAT(error_of_service("    auth: {bearer: {token_file: empty}}\n"), HasSubstr("is empty; write the secret"));
  test::write_file(folder_ / "lines", "hunter2\nhunter2\n");
  EXPECT_THAT(error_of_service("    headers: {X-A: {file: lines}}\n"),
              AllOf(HasSubstr("holds a control character"), Not(HasSubstr("hunter2"))));
  test::write_file(folder_ / "large", std::string((1U << 20) + 1, 'x'));
  EXPECT_THAT(error_of_service("    body_file: large\n"), HasSubstr("1048576 are allowed"));
}

TEST_F(Spec, ReadsNoFileForTheCommands) {
  const auto document =
      read(write("services:\n  - {url: 'http://a.example/', auth: {bearer: {token_file: none}}, body_file: none}\n"));
  EXPECT_EQ(document.services[0].settings, R"({"body_file":"none","auth":{"bearer":{"token_file":"none"}}})");
}

TEST_F(Spec, RefusesFilesThatAreTwoOfOneOrOneOfTwo) {
  const auto error = [&](const std::string& lines) {
    return test::error_of([&] { read(write("services:\n  - url: https://a.example/\n" + lines)); });
  };
  EXPECT_THAT(error("    body: a\n    body_file: b\n"), HasSubstr("config:4:5: body and body_file are both given"));
  EXPECT_THAT(error("    auth: {basic: {user: a, password: b, password_file: c}}\n"),
              HasSubstr("config:3:42: password and password_file are both given"));
  EXPECT_THAT(error("    auth: {bearer: {token: b, token_file: c}}\n"), HasSubstr("token and token_file are both"));
  EXPECT_THAT(error("    tls: {cert: a.pem}\n"), HasSubstr("config:3:11: tls has a cert but no key"));
  EXPECT_THAT(error("    tls: {key: a.pem}\n"), HasSubstr("config:3:11: tls has a key but no cert"));
}

TEST_F(Spec, NeverSaysWhatAVariableHolds) {
  const ScopedVariable bad("MONITOR_TEST_BAD", "hunter2 \x01");
  for (const auto* lines :
       {"    headers: {X-A: '${MONITOR_TEST_BAD}'}\n", "    auth: {bearer: {token: '${MONITOR_TEST_BAD}'}}\n",
        "    auth: {basic: {user: a, password: '${MONITOR_TEST_BAD}'}}\n", "    proxy: '${MONITOR_TEST_BAD}'\n",
        "    family: '${MONITOR_TEST_BAD}'\n", "    resolver: '${MONITOR_TEST_BAD}'\n",
        "    connect_to: '${MONITOR_TEST_BAD}:1'\n", "    expect: {status: '${MONITOR_TEST_BAD}'}\n",
        "    expect: {max_time: '${MONITOR_TEST_BAD}'}\n", "    expect: {sha256: '${MONITOR_TEST_BAD}'}\n"}) {
    EXPECT_THAT(error_of_service(lines), AllOf(HasSubstr("config:4:"), Not(HasSubstr("hunter2")))) << lines;
  }
}

TEST_F(Spec, JudgesTheUrlThatAVariableStandsFor) {
  const ScopedVariable url("MONITOR_TEST_URL", "http://127.0.0.1/");
  const auto error = [&](const std::string& lines) {
    return test::error_of([&] { load(write("services:\n  - url: '${MONITOR_TEST_URL}'\n" + lines)); });
  };
  EXPECT_THAT(error("    family: ipv6\n"), HasSubstr("config:3:5: family asks for ipv6"));
  EXPECT_THAT(error("    tls: {verify: false}\n"), HasSubstr("config:3:5: the URL is http://"));
  EXPECT_EQ(error("    tls: {verify: false}\n    redirects: {follow: true}\n"), "nothing was thrown");
  EXPECT_EQ(test::error_of([&] {
              read(write("services:\n  - {url: '${MONITOR_TEST_URL}', family: ipv6, tls: {verify: false}}\n"));
            }),
            "nothing was thrown");
}

TEST_F(Spec, AllowsTlsBesideOauthOfAnHttpUrl) {
  EXPECT_EQ(test::error_of([&] {
              load(write(
                  "services:\n  - url: http://a.example/\n    tls: {verify: false}\n    auth: {oauth2: {token_url: "
                  "'https://b.example/', client_id: a, client_secret: b}}\n"));
            }),
            "nothing was thrown");
}

TEST_F(Spec, FamilyIsThatOfWhatIsConnectedTo) {
  const auto error = [&](const std::string& lines) {
    return test::error_of([&] { load(write("services:\n  - url: http://127.0.0.1/\n    family: ipv6\n" + lines)); });
  };
  EXPECT_EQ(error("    connect_to: '[::1]:80'\n"), "nothing was thrown");
  EXPECT_EQ(error("    proxy: 'http://[::1]:80'\n"), "nothing was thrown");
  EXPECT_THAT(error("    proxy: http://127.0.0.1:80\n"), HasSubstr("family asks for ipv6"));
}

}  // namespace
}  // namespace monitor::config
