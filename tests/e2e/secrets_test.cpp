// Canaries in every place of a configuration that may hold a secret, against a server that sends everything back: none
// of them may be in a log, a row, an error, or anything that a command prints.
#include <csignal>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>

#include "e2e/world.h"
#include "support/script_server.h"

namespace monitor::test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string answer(const std::string& status, const std::string& fields, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\n" + fields + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string field(const std::string& request, const std::string& name) {
  const auto at = request.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "none";
  const auto begin = at + name.size() + 4;
  return request.substr(begin, request.find("\r\n", begin) - begin);
}

/// Gives tokens, redirects from `/away`, and else sends back what it was sent.
void echo(Peer& peer) {
  const auto request = peer.read_request();
  const auto target = request.substr(request.find(' ') + 1, request.find(" HTTP/") - request.find(' ') - 1);
  if (target.starts_with("/token")) {
    peer.send(answer("200 OK", "", R"({"access_token": "canary-fetched", "token_type": "Bearer", "expires_in": 60})"));
  } else if (target.starts_with("/away")) {
    auto seen = target + "/" + field(request, "Authorization") + "/" + field(request, "X-Token");
    std::erase(seen, ' ');
    peer.send(answer("302 Found", "Location: /seen" + seen + "\r\n", ""));
  } else {
    const auto body = request.substr(request.find("\r\n\r\n") + 4);
    peer.send(answer("500 No", "X-Seen: " + field(request, "Authorization") + "\r\n",
                     "{\"sent\": \"" + field(request, "X-Token") + "\", \"body\": \"" + body + "\"}\n" + request));
  }
}

class SecretsTest : public testing::Test {
 protected:
  static constexpr int kServices = 14;

  SecretsTest() {
    for (const auto* name : {"PATH", "QUERY", "HEADER", "BODY", "PASSWORD", "SECRET", "EXPECTED", "PROXY"}) {
      world_.set(std::string("SECRET_") + name, std::string("canary-env-") + name);
    }
    world_.write_config(configuration());
    for (const auto* name : {"header", "body", "password", "token", "secret"}) {
      const auto file = world_.folder() / name;
      std::ofstream(file) << "canary-file-" << name;
      std::filesystem::permissions(file, std::filesystem::perms::owner_read);
    }
  }

  std::string service(const std::string& name, const std::string& path, const std::string& more) const {
    return "  - {name: " + name + ", url: \"" + server_.url(path) + "\", interval_sec: 1, timeout: 5, " + more +
           ", evidence: {bytes: 32 KiB}}\n";
  }

  std::string configuration() const {
    const auto host = "127.0.0.1:" + std::to_string(server_.port());
    const std::string follow = "redirects: {follow: true}";
    return "interval_limits: {min: 1, max: 60}\nservices:\n" +  //
           ("  - {url: \"" + server_.url("/plain?q=canary-typed") + "\", interval_sec: 1, timeout: 5}\n") +
           service("path", "/away/${SECRET_PATH}?q=${SECRET_QUERY}", follow) +
           service("header", "/away", follow + ", headers: {X-Token: '${SECRET_HEADER}'}") +
           service("header-typed", "/", "headers: {X-Token: canary-typed, Cookie: 'sid=canary-cookie'}") +
           service("header-file", "/", "headers: {X-Token: {file: header}}") +
           service("body", "/", "method: POST, body: 'a=1&p=${SECRET_BODY}'") +
           service("body-typed", "/", "method: POST, body: 'a=1&p=canary-typed'") +
           service("body-file", "/", "method: POST, body_file: body") +
           service("basic", "/away", follow + ", auth: {basic: {user: u, password: '${SECRET_PASSWORD}'}}") +
           service("basic-file", "/", "auth: {basic: {user: u, password_file: password}}") +
           service("bearer", "/",
                   "auth: {bearer: {token_file: token}}, expect: {headers: {X-Seen: none}, status: 500}") +
           service("oauth", "/",
                   "auth: {oauth2: {token_url: 'http://u:canary-user@" + host +
                       "/token?t=canary-query', client_id: c, client_secret_file: secret}}") +
           service("proxy", "/", "proxy: 'http://u:${SECRET_PROXY}@" + host + "'") +
           service("expected", "/",
                   "headers: {X-Token: '${SECRET_SECRET}'}, expect: {status: 500, json: [{pointer: /sent, equals: "
                   "'${SECRET_EXPECTED}'}]}");
  }

  /// All bytes of the database and of what lies beside it.
  std::string stored() const {
    std::ostringstream out;
    for (const auto& entry : std::filesystem::directory_iterator(world_.folder())) {
      if (entry.path().filename().string().starts_with("local-database")) out << std::ifstream(entry.path()).rdbuf();
    }
    return out.str();
  }
  std::int64_t services_with_a_result() const {
    try {
      return world_.local_number("SELECT count(DISTINCT definition) FROM results");
    } catch (const std::exception&) {
      return 0;
    }
  }

  World world_;
  ScriptServer server_{echo};
};

TEST_F(SecretsTest, ReachNoLogAndNoRow) {
  auto monitor = world_.start({"start", "-vvvvv", "--yes"});
  ASSERT_TRUE(eventually([&] { return services_with_a_result() == kServices; })) << monitor->err();
  monitor->signal(SIGTERM);
  EXPECT_EQ(monitor->wait(), 0);
  EXPECT_THAT(monitor->err(), HasSubstr("/plain?q=*** is down"));
  EXPECT_THAT(monitor->err() + monitor->out(), Not(HasSubstr("canary")));
  auto rows = stored();
  EXPECT_THAT(rows, HasSubstr("X-Token: ***")) << "the evidence is there: what was looked at is not nothing";
  // The URL itself is stored as it is typed.
  for (const std::string url = "/plain?q=canary-typed"; rows.find(url) != std::string::npos;) {
    rows.erase(rows.find(url), url.size());
  }
  const auto at = rows.find("canary");
  EXPECT_EQ(at, std::string::npos) << rows.substr(at < 200 ? 0 : at - 200, 400);
}

TEST_F(SecretsTest, ReachNothingThatACommandPrints) {
  for (int number = 0; number < kServices; ++number) {
    for (const auto& form : {std::vector<std::string>{}, std::vector<std::string>{"--json"}}) {
      std::vector<std::string> arguments{"check", std::to_string(number)};
      arguments.insert(arguments.end(), form.begin(), form.end());
      const auto check = world_.monitor(arguments);
      const auto printed = check.out + check.err;
      EXPECT_EQ(check.status, 1) << printed;
      if (printed.find("/plain?q=") == std::string::npos) EXPECT_THAT(printed, Not(HasSubstr("canary")));
    }
  }
}

TEST_F(SecretsTest, ReachNoErrorOfAConfiguration) {
  for (const auto* lines :
       {"auth: {bearer: canary}", "auth: canary", "auth: {basic: {user: 'a:b', password: canary}}",
        "headers: 'X-Token: canary'", "headers: {X-Token: \"canary\\r\\n\"}", "proxy: 'u:canary@h:1'",
        "proxy: 'https://u:canary@h:1'", "auth: {bearer: {token_file: '${SECRET_PASSWORD}'}}",
        "auth: {oauth2: {token_url: 'u:canary@h', client_id: c, client_secret: 'canary'}}"}) {
    world_.write_config("services:\n  - {url: 'http://a.test/', " + std::string(lines) + "}\n");
    const auto said = world_.monitor({"config", "validate"});
    EXPECT_EQ(said.status, 2) << lines;
    EXPECT_THAT(said.err + said.out, Not(HasSubstr("canary"))) << lines;
  }
}

}  // namespace
}  // namespace monitor::test
