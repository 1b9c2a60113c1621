// `monitor check` against real servers on loopback: what it prints, what it exits with, what it leaves behind.
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "cli/session.h"
#include "support/certificates.h"
#include "support/script_server.h"

namespace monitor::cli {
namespace {

using test::ScriptServer;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string response(const std::string& status, const std::string& body = "hello") {
  return "HTTP/1.1 " + status + "\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

class CheckCommand : public Session {
 protected:
  void configure(const std::string& services) { write_config("services:\n" + services); }
  std::filesystem::path service_file(const std::string& text) {
    const auto path = home_ / "service.yaml";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  boost::json::object json_of(std::vector<std::string> arguments) {
    arguments.emplace_back("--json");
    const auto ended = run(arguments);
    return boost::json::parse(ended.out).as_object();
  }
};

TEST_F(CheckCommand, OfAUrlNeedsNoConfigurationAndLeavesNothingBehind) {
  const ScriptServer server(ScriptServer::reply(response("200 OK")));
  const auto ended = run({"check", server.url()});
  EXPECT_EQ(ended.status, kUp);
  EXPECT_EQ(ended.err, "");
  EXPECT_THAT(ended.out, StartsWith("GET " + server.url() + "\n  GET " + server.url() +
                                    " -> 200, 127.0.0.1 (IPv4), fresh connection, HTTP/1.1\n\ndns  "));
  EXPECT_THAT(ended.out, EndsWith("\nbody         5 B\nverdict      up\n"));
  EXPECT_TRUE(std::filesystem::is_empty(home_.path()));
}

TEST_F(CheckCommand, ExitsWithTheVerdict) {
  const ScriptServer broken(ScriptServer::reply(response("503 Service Unavailable")));
  const auto down = run({"check", broken.url()});
  EXPECT_EQ(down.status, kDown);
  EXPECT_THAT(down.out, EndsWith("verdict      down (status)\nreason       status 503 is outside 200-399\n"));
  EXPECT_EQ(down.err, "");

  const auto refused = run({"check", "http://127.0.0.1:" + std::to_string(test::closed_port()) + "/"});
  EXPECT_EQ(refused.status, kDown);
  EXPECT_THAT(refused.out, HasSubstr("verdict      down (connect_refused)\n"));
}

TEST_F(CheckCommand, IsDegradedAboveWarnTime) {
  const ScriptServer server([](test::Peer& peer) {
    peer.read_request();
    peer.drip(response("200 OK", std::string(2000, 'x')));
  });
  const auto ended = run({"check", server.url(), "--set", "expect.warn_time=1ms"});
  EXPECT_EQ(ended.status, kDegraded) << ended.out;
  EXPECT_THAT(ended.out, HasSubstr("verdict      degraded\nreason       "));
}

TEST_F(CheckCommand, IsUnknownWhereTheFaultIsOurs) {
  // While no server runs yet: setenv() is not for several threads.
  ::setenv("MONITOR_TEST_SECRET", "hunter2", 1);
  const ScriptServer tokens(ScriptServer::reply(response("500 Internal Server Error")));
  const ScriptServer server(ScriptServer::reply(response("200 OK")));
  const auto ended = run({"check", server.url(), "--set",
                          "auth.oauth2={token_url: \"" + tokens.url() +
                              "\", client_id: a, "
                              "client_secret: \"${MONITOR_TEST_SECRET}\"}"});
  EXPECT_EQ(ended.status, kUnknown) << ended.out << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("verdict      unknown (auth_failure)\n"));
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(CheckCommand, PrintsJsonThatAProgramCanRead) {
  const ScriptServer server(ScriptServer::reply(response("404 Not Found")));
  const auto json = json_of({"check", server.url()});
  EXPECT_EQ(json.at("url").as_string(), server.url());
  EXPECT_EQ(json.at("verdict"), "down");
  EXPECT_EQ(json.at("outcome"), "status");
  EXPECT_EQ(json.at("reason"), "status 404 is outside 200-399");
  EXPECT_EQ(json.at("status_code"), 404);
  EXPECT_EQ(json.at("body_bytes"), 5);
  EXPECT_EQ(json.at("remote_address"), "127.0.0.1");
  EXPECT_TRUE(json.at("dns_us").is_null());
  EXPECT_TRUE(json.at("connect_us").is_int64());
  EXPECT_TRUE(json.at("tls").is_null());
  ASSERT_EQ(json.at("hops").as_array().size(), 1U);
  EXPECT_EQ(json.at("hops").as_array()[0].as_object().at("status"), 404);
}

TEST_F(CheckCommand, ShowsTheCertificateOfARefusedServer) {
  const test::Authority authority;
  test::CertificateWishes wishes;
  wishes.names = {"IP:127.0.0.1"};
  wishes.not_before = std::chrono::floor<common::Micros>(std::chrono::system_clock::now()) - std::chrono::days{1};
  wishes.not_after = wishes.not_before + std::chrono::days{30};
  const auto identity = authority.issue(wishes);
  const ScriptServer server(ScriptServer::reply(response("200 OK")), identity.context());
  const auto url = "https://127.0.0.1:" + std::to_string(server.port()) + "/";

  const auto refused = run({"check", url});
  EXPECT_EQ(refused.status, kDown);
  EXPECT_THAT(refused.out, HasSubstr("certificate  CN=server.test\nissuer       CN=Test Authority\nvalid until  "));
  EXPECT_THAT(refused.out, HasSubstr(", 28 days left\n"));
  EXPECT_THAT(refused.out, HasSubstr("verdict      down (tls_untrusted)\n"));

  const auto lenient = run({"check", url, "--set", "tls.verify=false"});
  EXPECT_EQ(lenient.status, kUp) << lenient.out;
  EXPECT_THAT(lenient.out, HasSubstr("protocol     TLSv1.3, TLS_"));

  authority.write_pem(home_ / "ca.pem");
  EXPECT_EQ(run({"check", url, "--set", "tls.ca=" + (home_ / "ca.pem").string()}).status, kUp);
  const auto json = json_of({"check", url});
  EXPECT_EQ(json.at("certificate").as_object().at("subject"), "CN=server.test");
  EXPECT_EQ(json.at("certificate").as_object().at("sha256").as_string().size(), 64U);
}

TEST_F(CheckCommand, OfAServiceOfTheConfigurationTakesItsNameOrNumber) {
  const ScriptServer server(ScriptServer::reply(response("200 OK")));
  configure("  - {name: web, url: \"" + server.url() + "\", method: GET, regex: \"good.ye\", check_regex: true}\n");
  const auto before = bytes();
  for (const auto* which : {"web", "0"}) {
    const auto ended = run({"check", which});
    EXPECT_EQ(ended.status, kDown) << ended.err;
    EXPECT_THAT(ended.out, StartsWith("web: GET " + server.url() + "\n"));
    EXPECT_THAT(ended.out, HasSubstr("verdict      down (body_mismatch)\n"));
  }
  EXPECT_EQ(run({"check", "web", "--set", "regex=hel+o"}).status, kUp);
  EXPECT_EQ(run({"check", "web", "--method", "DELETE", "--set", "check_regex=false", "--set", "regex="}).status, kUp);
  EXPECT_EQ(bytes(), before);
  EXPECT_FALSE(std::filesystem::exists(home_ / ".monitoring/local-database.sqlite3"));
}

TEST_F(CheckCommand, TakesSettingsInTheOrderTyped) {
  const ScriptServer server(ScriptServer::reply(response("404 Not Found")));
  EXPECT_EQ(run({"check", server.url(), "--set", "expect.status=404"}).status, kUp);
  EXPECT_EQ(run({"check", server.url(), "--set", "expect.status=[2xx, 404]"}).status, kUp);
  EXPECT_EQ(run({"check", server.url(), "--set=expect.status=404", "--set", "expect.status=2xx"}).status, kDown);
  EXPECT_EQ(run({"check", server.url(), "--set", "expect.status=404", "--set", "expect.status="}).status, kDown);
  EXPECT_EQ(run({"check", server.url(), "--set", "expect.status=404", "--set", "expect.body=[h]"}).status, kUp);
  EXPECT_EQ(run({"check", server.url(), "--set", "expect.status=404", "--set", "expect.body=x"}).status, kDown);
}

TEST_F(CheckCommand, TakesAServiceFromAFile) {
  const ScriptServer server(ScriptServer::reply(response("404 Not Found")));
  const auto file = service_file("url: " + server.url() + "\nmethod: GET\nexpect: {status: [404]}\n").string();
  EXPECT_EQ(run({"check", "--from", file}).status, kUp);
  EXPECT_EQ(run({"check", "--from", file, "--set", "expect.status=2xx"}).status, kDown);
  const ScriptServer other(ScriptServer::reply(response("200 OK")));
  EXPECT_EQ(run({"check", other.url(), "--from", file}).status, kDown);
  const auto both = run({"check", "web", "--from", file});
  EXPECT_EQ(both.status, kWrongUsage);
  EXPECT_THAT(both.err, HasSubstr("\"web\" and --from name two services"));
}

TEST_F(CheckCommand, SaysWhereAFileIsWrong) {
  const auto file = service_file("url: http://localhost/\nmethod: GET\nexpct: {}\n");
  const auto ended = run({"check", "--from", file.string()});
  EXPECT_EQ(ended.status, kWrongUsage);
  EXPECT_EQ(ended.out, "");
  EXPECT_THAT(ended.err, StartsWith(file.string() + ":3:1: "));
  const auto none = run({"check", "--from", (home_ / "none").string()});
  EXPECT_EQ(none.status, kWrongUsage);
  EXPECT_THAT(none.err, HasSubstr("/none: the service's file is not there; name one that is\n"));
}

TEST_F(CheckCommand, RefusesWrongUsageWithStatusTwo) {
  configure("  - {name: web, url: \"http://127.0.0.1/\", method: GET}\n");
  const std::string url = "http://127.0.0.1/";
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong{
      {{}, "URL|NAME|NUMBER is required\nTry `monitor check --help`.\n"},
      {{"nobody"}, "nobody"},
      {{"1"}, "numbered"},
      {{"ftp://127.0.0.1/"}, "http"},
      {{url, url}, "not expected here"},
      {{url, "--method", "FETCH"}, "OPTIONS"},
      {{url, "--timeout", "x"}, "--timeout must be a whole number of seconds"},
      {{url, "--timeout", "301"}, "300"},
      {{url, "--set", "expect.status"}, "--set takes PATH=VALUE"},
      {{url, "--set", "=2xx"}, "--set takes PATH=VALUE"},
      {{url, "--set", ""}, "--set takes PATH=VALUE"},
      {{url, "--set", "expect.statsu=2xx"}, "--set expect.statsu: "},
      {{url, "--set", "expect.status=2yy"}, "--set expect.status: "},
      {{url, "--set"}, "--set"},
      {{url, "--from="}, "--from is empty"},
      {{url, "--set", "check_regex=true"}, "regex"},
  };
  for (const auto& [arguments, sentence] : wrong) {
    std::vector<std::string> all{"check"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const auto ended = run(all);
    EXPECT_EQ(ended.status, kWrongUsage) << testing::PrintToString(arguments);
    EXPECT_EQ(ended.out, "");
    EXPECT_THAT(ended.err, HasSubstr(sentence)) << testing::PrintToString(arguments);
  }
}

TEST_F(CheckCommand, WarnsOfASecretInTheArgumentsAndRepeatsItNowhere) {
  const ScriptServer server(ScriptServer::reply(response("200 OK")));
  const std::vector<std::string> typed{"auth.basic={user: u, password: hunter2}", "auth.bearer.token=hunter2",
                                       "headers.Authorization=Bearer hunter2",
                                       "url=http://u:hunter2@" + server.url().substr(7)};
  for (const auto& setting : typed) {
    const auto ended = run({"check", server.url(), "--set", setting});
    EXPECT_EQ(ended.status, kUp) << ended.err;
    EXPECT_THAT(ended.err, StartsWith("monitor: warning: --set " + setting.substr(0, setting.find('='))));
    EXPECT_THAT(ended.err, HasSubstr("list of processes"));
    EXPECT_THAT(ended.err + ended.out, Not(HasSubstr("hunter2")));
    EXPECT_THAT(run({"check", server.url(), "--json", "--set", setting}).out, Not(HasSubstr("hunter2")));
  }
  // setenv() is not for several threads, but the server's ask for no variable.
  ::setenv("MONITOR_TEST_TOKEN", "hunter2", 1);
  const auto safe = run({"check", server.url(), "--set", "auth.bearer.token=${MONITOR_TEST_TOKEN}"});
  EXPECT_EQ(safe.status, kUp) << safe.err;
  EXPECT_EQ(safe.err, "");
  const auto file = home_ / "token";
  std::ofstream(file) << "hunter2\n";
  std::filesystem::permissions(file, std::filesystem::perms::owner_read);
  for (const auto& setting :
       {"auth.bearer.token_file=" + file.string(), "auth={bearer: {token_file: " + file.string() + "}}",
        std::string("proxy=http://127.0.0.1:1"), std::string("auth=")}) {
    EXPECT_EQ(run({"check", server.url(), "--set", setting}).err, "") << setting;
  }
}

}  // namespace
}  // namespace monitor::cli
