#include "cli/session.h"

namespace monitor::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ServicesCommand : public Session {
 protected:
  void SetUp() override { follow_tutorial(); }

  std::string numbered() { return must({"config", "services", "show", "--numbered"}).out; }
  std::string plain() { return must({"config", "services", "show"}).out; }
};

TEST_F(ServicesCommand, ShowsTheTutorialsNumberedTable) {
  EXPECT_EQ(
      numbered(),
      R"(+---+------------------------------------+--------+-------------+-----------------------+--------------+---------+
| № |                url                 | method | check_regex |         regex         | interval_sec | timeout |
+---+------------------------------------+--------+-------------+-----------------------+--------------+---------+
| 0 |       http://localhost:8000/       |  GET   |    False    |          None         |      5       |    15   |
| 1 | http://localhost:8000/openapi.json |  GET   |     True    | \{"openapi":"3\.1\.0" |      5       |    15   |
+---+------------------------------------+--------+-------------+-----------------------+--------------+---------+
)");
}

TEST_F(ServicesCommand, AddPrintsTheTableAndASentence) {
  const auto added = must({"config", "services", "add", "http://localhost:8000/a", "HEAD"});
  EXPECT_EQ(
      added.out,
      plain() +
          "The service \"HEAD http://localhost:8000/a\" has been added. "
          "The change counts from the next start: no monitor runs on ~/.monitoring/local-database.sqlite3 (one that "
          "began with another path has to be restarted).\n");
  EXPECT_EQ(added.err, "");
}

TEST_F(ServicesCommand, AddIsSilentWhenQuiet) {
  EXPECT_EQ(must({"config", "services", "add", "http://localhost:8000/a", "GET", "-q"}).out, "");
  EXPECT_EQ(must({"config", "services", "add", "http://localhost:8000/b", "GET", "--quiet"}).out, "");
  EXPECT_THAT(plain(), HasSubstr("http://localhost:8000/b"));
}

TEST_F(ServicesCommand, AddTakesEveryOption) {
  must({"config", "services", "add", "https://example.org/", "POST", "--regex", "[a-z]+", "--check-regex", "--interval",
        "300", "--timeout=299", "--name", "web"});
  EXPECT_THAT(plain(), HasSubstr("|  POST  |     True    |         [a-z]+        |     300      |   299   | web  |"));
}

TEST_F(ServicesCommand, TakesFreeTextAsItWasTyped) {
  for (const auto* regex : {"[a-z]", "[a,b]", "-x", "--yes", "a,b", "\"quoted\"", "'x'", "$HOME", "%d", " spaced ",
                            "{a}", "-ns", "--regex=", "#no comment", "a: b", "\xF0\x9F\x9A\x80", "null", "012"}) {
    must({"config", "services", "add", "http://localhost:8000/free", "GET", "--regex", regex, "--name", "free"});
    must({"start", "--yes"});
    ASSERT_TRUE(started_.has_value());
    const auto& services = started_->agent.services;
    const auto found = std::ranges::find(services, "free", &probe::Service::name);
    ASSERT_NE(found, services.end());
    EXPECT_EQ(found->regex, regex);
    must({"config", "services", "remove", "free", "--yes"});
    must({"config", "services", "add", "http://localhost:8000/free", "GET", std::string("--regex=") + regex, "-q"});
    must({"config", "services", "remove", "0", "-yq"});
  }
}

TEST_F(ServicesCommand, TakesNamesThatAreCommandsToo) {
  for (const auto* name : {"show", "add", "config", "start", "[a]"}) {
    must({"config", "services", "add", "http://localhost:8000/x", "GET", "--name", name});
    must({"config", "services", "remove", name, "--yes"});
  }
}

TEST_F(ServicesCommand, TakesANameWithADashBehindTwoDashes) {
  must({"config", "services", "add", "http://localhost:8000/x", "GET", "--name=-odd"});
  must({"config", "services", "remove", "--yes", "--", "-odd"});
  EXPECT_THAT(plain(), Not(HasSubstr("-odd")));
}

TEST_F(ServicesCommand, AddRefusesWhatBreaksARule) {
  const auto before = bytes();
  const std::string url = "http://localhost:8000/a";
  const std::vector<std::pair<std::vector<std::string>, std::string>> refused{
      {{"ftp://localhost/", "GET"}, "http"},
      {{"http://localhost/" + std::string(2083, 'x'), "GET"}, "2083"},
      {{url, "FETCH"}, "OPTIONS"},
      {{url, "GET", "--interval", "4"}, "--interval must be between 5 and 300 seconds, not 4"},
      {{url, "GET", "--interval", "301"}, "--interval must be between 5 and 300 seconds, not 301"},
      {{url, "GET", "--interval", "5s"}, "--interval must be a whole number of seconds"},
      {{url, "GET", "--interval", "99999999999999999999"}, "--interval must be a whole number of seconds"},
      {{url, "GET", "--timeout", "0"}, "--timeout must be between 1 and 300 seconds, not 0"},
      {{url, "GET", "--timeout", "-1"}, "--timeout must be between 1 and 300 seconds, not -1"},
      {{url, "GET", "--timeout", "301"}, "--timeout must be between"},
      {{url, "GET", "--timeout="}, "--timeout must be a whole number of seconds"},
      {{url, "GET", "--check-regex"}, "--regex"},
      {{url, "GET", "--regex", "(?=x)", "--check-regex"}, ""},
      {{url, "GET", "--name", "42"}, "digits"},
      {{"http://localhost:8000/", "GET"}, "already"},
  };
  for (const auto& [arguments, reason] : refused) {
    std::vector<std::string> all{"config", "services", "add"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const auto ended = run(all);
    EXPECT_EQ(ended.status, kWrongUsage) << testing::PrintToString(arguments);
    EXPECT_EQ(ended.out, "");
    EXPECT_THAT(ended.err, StartsWith("monitor: "));
    EXPECT_THAT(ended.err, HasSubstr(reason));
    EXPECT_EQ(bytes(), before);
  }
}

TEST_F(ServicesCommand, ReadsNumbersAsDecimal) {
  must({"config", "services", "add", "http://localhost:8000/a", "GET", "--interval", "010"});
  EXPECT_THAT(plain(), HasSubstr("|      10      |"));
}

TEST_F(ServicesCommand, AcceptsEveryMethodAndThePredecessorsSpelling) {
  for (const auto* method : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}) {
    must({"config", "services", "add", "http://localhost:8000/m", method});
  }
  must({"config", "services", "add", "http://localhost:8000/option", "OPTION"});
}

TEST_F(ServicesCommand, TakesWiderIntervalsWhereTheFileAllowsThem) {
  write_config("local_database_path: /tmp/x\ninterval_limits: {min: 1, max: 86400}\nservices: []\n");
  must({"config", "services", "add", "http://localhost/", "GET", "--interval", "1"});
  EXPECT_EQ(run({"config", "services", "add", "http://localhost/b", "GET", "--interval", "86401"}).status, kWrongUsage);
}

TEST_F(ServicesCommand, TheSameNameTwiceIsRefused) {
  must({"config", "services", "add", "http://localhost:8000/a", "GET", "--name", "web"});
  const auto ended = run({"config", "services", "add", "http://localhost:8000/b", "GET", "--name", "web"});
  EXPECT_EQ(ended.status, kWrongUsage);
  EXPECT_THAT(ended.err, HasSubstr("a service with the name \"web\""));
}

TEST_F(ServicesCommand, UpdateAsksAndSays) {
  const auto updated = must({"config", "services", "update", "0", "--interval", "60", "--timeout", "20"}, "y\n");
  EXPECT_THAT(updated.out, StartsWith("Are you sure want to update the service \"GET http://localhost:8000/\"? Config "
                                      "path: ~/.monitoring/monitoring-config [y/N]: "));
  EXPECT_THAT(updated.out,
              HasSubstr("The service \"GET http://localhost:8000/\" has been updated. The change counts from the "
                        "next start: no monitor runs on ~/.monitoring/local-database.sqlite3 (one that began with "
                        "another path has to be restarted).\n"));
  EXPECT_THAT(plain(), HasSubstr("|      60      |    20   |"));
}

TEST_F(ServicesCommand, UpdateChangesNothingWithoutAYes) {
  const auto before = bytes();
  for (const auto* answer : {"n\n", "\n", "maybe\n", ""}) {
    const auto ended = run({"config", "services", "update", "1", "--timeout", "20"}, answer);
    EXPECT_EQ(ended.status, kFailed);
    EXPECT_THAT(ended.err, HasSubstr("Aborted!\n"));
    EXPECT_EQ(bytes(), before);
  }
}

TEST_F(ServicesCommand, UpdateRefusesBeforeItAsks) {
  const auto before = bytes();
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"0"},
                                                                     {"2", "--interval", "60"},
                                                                     {"-1", "--interval", "60"},
                                                                     {"nobody", "--interval", "60"},
                                                                     {"0", "--interval", "1"},
                                                                     {"0", "--toggle-check-regex"},
                                                                     {"1", "--regex", ""},
                                                                     {"0", "--regex", "("}}) {
    std::vector<std::string> all{"config", "services", "update"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const auto ended = run(all, "y\n");
    EXPECT_EQ(ended.status, kWrongUsage) << testing::PrintToString(arguments);
    EXPECT_EQ(ended.out, "");
    EXPECT_EQ(bytes(), before);
  }
}

TEST_F(ServicesCommand, UpdateTogglesTheRegexCheck) {
  must({"config", "services", "update", "1", "--toggle-check-regex", "--yes"});
  EXPECT_THAT(plain(), Not(HasSubstr("True")));
  must({"config", "services", "update", "1", "--toggle-check-regex", "-y"});
  EXPECT_THAT(plain(), HasSubstr("True"));
  must({"config", "services", "update", "1", "--toggle-check-regex", "--regex=", "-y"});
  EXPECT_THAT(plain(), Not(HasSubstr("openapi\":")));
}

TEST_F(ServicesCommand, UpdateAndRemoveTakeANameToo) {
  must({"config", "services", "update", "0", "--name", "root", "--yes"});
  const auto updated = must({"config", "services", "update", "root", "--interval", "42"}, "yes\n");
  EXPECT_THAT(updated.out, HasSubstr("\"root\""));
  EXPECT_THAT(plain(), HasSubstr("|      42      |"));
  must({"config", "services", "remove", "root"}, "y\n");
  EXPECT_THAT(plain(), Not(HasSubstr("root")));
}

TEST_F(ServicesCommand, RemoveAsksAndSays) {
  const auto before = bytes();
  EXPECT_EQ(run({"config", "services", "remove", "0"}, "n\n").status, kFailed);
  EXPECT_EQ(run({"config", "services", "remove", "0"}, "").status, kFailed);
  EXPECT_EQ(run({"config", "services", "remove", "2"}, "y\n").status, kWrongUsage);
  EXPECT_EQ(bytes(), before);
  const auto removed = must({"config", "services", "remove", "0"}, "y\n");
  EXPECT_THAT(removed.out, HasSubstr("has been removed. The change counts from the next start: no monitor runs on "
                                     "~/.monitoring/local-database.sqlite3 (one that began with another path has to be "
                                     "restarted).\n"));
  EXPECT_EQ(must({"config", "services", "remove", "0", "-q", "-y"}).out, "");
  EXPECT_THAT(plain(), Not(HasSubstr("http")));
}

TEST_F(ServicesCommand, AddAndUpdateTakeEveryKeyWithSet) {
  must({"config", "services", "add", "https://example.org/", "GET", "--name", "web", "--set",
        "expect.status=[2xx, 404]", "--set", "headers.X-Env=prod", "--set=redirects.follow=true", "--set",
        "interval_sec=30"});
  EXPECT_THAT(bytes(), HasSubstr("2xx"));
  EXPECT_THAT(bytes(), HasSubstr("X-Env"));
  EXPECT_THAT(plain(), HasSubstr("|      30      |"));
  must({"config", "services", "update", "web", "--yes", "--set", "expect=", "--set", "headers.X-Env=test"});
  EXPECT_THAT(bytes(), Not(HasSubstr("2xx")));
  EXPECT_THAT(bytes(), HasSubstr("test"));
  must({"start", "--yes"});
  const auto& services = started_->agent.services;
  const auto web = std::ranges::find(services, "web", &probe::Service::name);
  ASSERT_NE(web, services.end());
  EXPECT_TRUE(web->spec().redirects.follow);
  ASSERT_EQ(web->spec().headers.size(), 1U);
  EXPECT_EQ(web->spec().headers[0].value.reveal(), "test");
}

TEST_F(ServicesCommand, UpdateWithSetAsksFirstAndMayChangeTheKey) {
  const auto before = bytes();
  EXPECT_EQ(run({"config", "services", "update", "0", "--set", "method=HEAD"}, "n\n").status, kFailed);
  EXPECT_EQ(bytes(), before);
  must({"config", "services", "update", "0", "--set", "method=HEAD", "--set", "url=http://localhost:8000/new"}, "y\n");
  EXPECT_THAT(plain(), HasSubstr("http://localhost:8000/new"));
  EXPECT_THAT(plain(), HasSubstr("|  HEAD  |"));
  const auto same =
      run({"config", "services", "update", "0", "--set", "url=http://localhost:8000/openapi.json", "--set",
           "method=GET", "--set", R"(regex=\{"openapi":"3\.1\.0")", "--set", "check_regex=true", "--yes"});
  EXPECT_EQ(same.status, kWrongUsage);
  EXPECT_THAT(same.err, HasSubstr("in the configuration already"));
}

TEST_F(ServicesCommand, RefusesASetBeforeItAsks) {
  const auto before = bytes();
  for (const std::string setting :
       {"nonsense=1", "expect.status=2yy", "expect", "interval_sec=1", "auth={basic: {user: u}}", "redirects.max=99"}) {
    const auto ended = run({"config", "services", "update", "0", "--set", setting}, "y\n");
    EXPECT_EQ(ended.status, kWrongUsage) << setting;
    EXPECT_EQ(ended.out, "") << setting;
    EXPECT_EQ(bytes(), before);
  }
}

TEST_F(ServicesCommand, RefusesSettingsThatContradictEachOtherBeforeItAsks) {
  const auto before = bytes();
  const auto ended = run({"config", "services", "update", "0", "--set", "body=x", "--set", "body_file=y"}, "y\n");
  EXPECT_EQ(ended.status, kWrongUsage);
  EXPECT_EQ(ended.out, "");
  EXPECT_EQ(bytes(), before);
}

TEST_F(ServicesCommand, AddAndUpdateTakeAServiceFromAFile) {
  const auto path = (home_ / "service.yaml").string();
  std::ofstream(path) << "url: https://example.org/\nmethod: HEAD\nname: home\nexpect: {status: 204}\n";
  must({"config", "services", "add", "--from", path});
  EXPECT_THAT(plain(), HasSubstr("|  HEAD  |"));
  EXPECT_THAT(bytes(), HasSubstr("204"));
  EXPECT_EQ(run({"config", "services", "add", "--from", path}).status, kWrongUsage);  // it is there already
  must({"config", "services", "add", "https://example.net/", "GET", "--from", path, "--name", "other", "--set",
        "expect.status=205"});
  EXPECT_THAT(plain(), HasSubstr("https://example.net/"));
  EXPECT_THAT(bytes(), HasSubstr("205"));
  std::ofstream(path) << "url: https://example.com/\nmethod: GET\nname: third\n";
  must({"config", "services", "update", "home", "--from", path, "--interval", "77"}, "y\n");
  EXPECT_THAT(plain(), Not(HasSubstr("home")));
  EXPECT_THAT(plain(), HasSubstr("|      77      |"));
  EXPECT_THAT(bytes(), Not(HasSubstr("204")));
}

TEST_F(ServicesCommand, SaysWhereAServicesFileIsWrong) {
  const auto path = (home_ / "service.yaml").string();
  std::ofstream(path) << "url: https://example.org/\nmethod: GET\nexpct: {}\n";
  const auto before = bytes();
  const auto ended = run({"config", "services", "add", "--from", path});
  EXPECT_EQ(ended.status, kWrongUsage);
  EXPECT_THAT(ended.err, StartsWith(path + ":3:1: "));
  EXPECT_EQ(run({"config", "services", "add", "--from", (home_ / "none").string()}).status, kWrongUsage);
  EXPECT_EQ(run({"config", "services", "update", "0", "--from", path}, "y\n").status, kWrongUsage);
  EXPECT_EQ(bytes(), before);
}

TEST_F(ServicesCommand, WarnsOfASecretThatIsSetInTheArguments) {
  const auto added = must({"config", "services", "add", "https://example.org/", "GET", "--name", "web", "--set",
                           "auth.bearer.token=hunter2"});
  EXPECT_THAT(added.err, StartsWith("monitor: warning: --set auth.bearer.token: this secret is in the list of "));
  EXPECT_THAT(added.out + added.err, Not(HasSubstr("hunter2")));
  const auto updated = must({"config", "services", "update", "web", "--set", "auth.bearer.token=hunter3"}, "y\n");
  EXPECT_THAT(updated.err, HasSubstr("warning: --set auth.bearer.token"));
  EXPECT_THAT(updated.out + updated.err, Not(HasSubstr("hunter3")));
  EXPECT_EQ(must({"config", "services", "update", "web", "--yes", "--set", "auth.bearer.token=${TOKEN}"}).err, "");
}

/// Answers yes, but somebody else changes the configuration before the answer is read.
class RacingAnswer : public std::streambuf {
 public:
  explicit RacingAnswer(std::function<void()> race) : race_(std::move(race)) {}

 protected:
  int_type underflow() override {
    if (answered_) return traits_type::eof();
    answered_ = true;
    race_();
    setg(text_.data(), text_.data(), text_.data() + text_.size());
    return traits_type::to_int_type(text_[0]);
  }

 private:
  std::function<void()> race_;
  std::string text_ = "y\n";
  bool answered_ = false;
};

TEST_F(ServicesCommand, ChangesNoOtherServiceThanTheOneItAskedAbout) {
  std::string before;
  RacingAnswer answer([&] {
    must({"config", "services", "remove", "0", "--yes"});
    before = bytes();
  });
  std::istream in(&answer);
  std::ostringstream out;
  std::ostringstream err;
  Console console{in, out, err, {}};
  must({"config", "services", "add", "http://localhost:8000/z", "GET"});
  EXPECT_EQ(cli::run({"config", "services", "remove", "1"}, console), kFailed);
  EXPECT_THAT(err.str(), HasSubstr("nothing was changed"));
  EXPECT_EQ(bytes(), before);
}

TEST_F(ServicesCommand, SaysBeforeRewritingThatCommentsWillBeLost) {
  write_config(
      "# kept by hand\nlocal_database_path: /tmp/x\nservices:\n  - url: http://localhost/  # the front\n    method: "
      "GET\n");
  const auto before = bytes();
  const auto refused = run({"config", "services", "remove", "0"}, "n\n");
  EXPECT_THAT(refused.err, StartsWith("monitor: the hand-written comments of ~/.monitoring/monitoring-config will be "
                                      "lost: it is written anew\n"));
  EXPECT_EQ(bytes(), before);
  EXPECT_EQ(run({"config", "services", "add", "ftp://x/", "GET"}).err.find("comments"), std::string::npos);
  EXPECT_THAT(must({"config", "services", "add", "http://localhost/b", "GET"}).err, HasSubstr("comments"));
  EXPECT_EQ(must({"config", "services", "add", "http://localhost/c", "GET"}).err, "");
}

TEST_F(ServicesCommand, KeepsThePredecessorsJson) {
  write_config(R"({"local_database_path": "/tmp/x", "external_database_uri": "postgresql://u:p@h/d", "services": [
    {"url": "http://localhost/", "method": "GET", "check_regex": false, "regex": null, "interval_sec": 5, "timeout": 15}
  ]})");
  must({"config", "services", "add", "http://localhost/b", "GET"});
  EXPECT_THAT(bytes(), StartsWith("{"));
}

TEST_F(ServicesCommand, JudgesADollarInAJsonFileAsWhatItIs) {
  write_config(R"({"services": []})");
  EXPECT_EQ(run({"config", "services", "add", "${HOST}/", "GET"}).status, kWrongUsage);
  must({"config", "services", "add", "http://localhost/${x", "GET"});
  EXPECT_THAT(bytes(), HasSubstr("http://localhost/${x"));
}

}  // namespace
}  // namespace monitor::cli
