#include "probe/inspect.h"

#include <gtest/gtest.h>

#include "support/compress.h"

namespace monitor::probe {
namespace {

using common::Outcome;
using Is = JsonRule::Is;

Findings look(const Received& received, const Expect& expect, std::optional<std::string> regex = std::nullopt,
              const EvidenceOptions& evidence = {}) {
  RegexPool regexes;
  return inspect(received, Expectations({std::move(regex), expect, evidence}, regexes));
}

Received body(std::string text) {
  Received received;
  received.body_limit = std::size_t{1} << 20;
  received.body = std::move(text);
  return received;
}

void expect_breach(const Breaches& had, Outcome outcome, std::string_view sentence, int count = 1) {
  EXPECT_EQ(had.first.outcome, outcome);
  EXPECT_EQ(had.first.reason, sentence);
  EXPECT_EQ(had.count, count);
}

TEST(Inspect, TheRegexIsFoundOrItIsSaidWhereNot) {
  auto received = body("the marker");
  EXPECT_TRUE(look(received, {}, "marker").contains_regex);
  EXPECT_EQ(look(received, {}, "marker").body.count, 0);
  EXPECT_FALSE(look(received, {}).contains_regex) << "it was not asked for";
  EXPECT_FALSE(look(received, {}, "other").contains_regex);
  received = body(std::string(12595, 'x'));
  expect_breach(look(received, {}, "other").body, Outcome::kBodyMismatch,
                "the regular expression was not found in the 12.2 KiB body");
  received.capped = true;
  expect_breach(look(received, {}, "other").body, Outcome::kBodyMismatch,
                "the regular expression was not found in the first 12.2 KiB of the body, which is longer");
}

TEST(Inspect, EachBodyRuleMustMatchAndNoneOfTheOthersMay) {
  const auto received = body("status: ok");
  EXPECT_EQ(look(received, {.body = {"ok", "^status"}, .body_not = {"error"}}).body.count, 0);
  expect_breach(look(received, {.body = {"ok", "nothing", "none"}}).body, Outcome::kBodyMismatch,
                "nothing matches nothing in the 10 B body", 2);
  expect_breach(look(received, {.body_not = {"error", "o+k"}}).body, Outcome::kBodyForbidden,
                "the body matches o+k, which it must not");
  expect_breach(look(received, {.body = {"none"}, .body_not = {"ok"}}, "regex").body, Outcome::kBodyMismatch,
                "the regular expression was not found in the 10 B body", 3);
}

TEST(Inspect, TheBodyIsReadInItsCharset) {
  auto received = body("caf\xE9");
  received.charset = "iso-8859-1";
  EXPECT_EQ(look(received, {.body = {"^café$"}}).body.count, 0);
  EXPECT_EQ(look(received, {.sha256 = "f2f9a5d4d4ed2c6cd5a3ee9cdc8a0fbd1b9e44c4ae6ae1ad7eb5ee7d7e1c6b40"}).body.count,
            1);
}

TEST(Inspect, JsonSentencesShowTheValue) {
  const Expect expect{.json = {{"/status", Is::kEqual, R"("ok")"}}};
  EXPECT_EQ(look(body(R"({"status": "ok"})"), expect).body.count, 0);
  expect_breach(look(body(R"({"status": "degraded"})"), expect).body, Outcome::kJsonMismatch,
                R"(the JSON value at /status is "degraded", not "ok")");
  expect_breach(look(body(R"({"status": 5})"), expect).body, Outcome::kJsonMismatch,
                R"(the JSON value at /status is 5, not "ok")");
  expect_breach(look(body(R"({"status": "a\nb\u001b[31m"})"), expect).body, Outcome::kJsonMismatch,
                R"(the JSON value at /status is "a\nb\x1b[31m", not "ok")");
  expect_breach(look(body("<html>"), expect).body, Outcome::kJsonMismatch, "the body is not JSON: syntax error");
  auto capped = body("{}");
  capped.capped = true;
  expect_breach(look(capped, expect).body, Outcome::kJsonMismatch,
                "the body is longer than 2 B, so it cannot be read as JSON: raise body_limit");
}

TEST(Inspect, ALongValueIsCutShort) {
  const auto found = look(body("\"" + std::string(500, 'x') + "\""), {.json = {{"", Is::kEqual, "1"}}});
  EXPECT_LT(found.body.first.reason.size(), 130U);
  EXPECT_NE(found.body.first.reason.find("…\", not 1"), std::string::npos);
}

TEST(Inspect, NoSentenceShowsASecret) {
  auto received = body(R"({"echo": "you sent hunter22 and key=abcdef"})");
  received.secrets = std::make_shared<const Secrets>(Secrets{"hunter22"});
  received.fields = {{"X-Echo", "hunter22"}, {"Set-Cookie", "id=1"}};
  const Expect expect{.headers = {{"x-echo", "^ok$"}}, .json = {{"/echo", Is::kEqual, "1"}}};
  const auto found = look(received, expect, std::nullopt, {.redact = {"key=[a-z]+"}});
  EXPECT_EQ(found.body.first.reason, R"(the JSON value at /echo is "you sent *** and ***", not 1)");
  EXPECT_EQ(found.headers.first.reason, R"(the header field x-echo is "***", which does not match ^ok$)");
  EXPECT_EQ(look(received, {.headers = {{"set-cookie", "^ok$"}}}).headers.first.reason,
            R"(the header field set-cookie is "***", which does not match ^ok$)");
  // One that begins just before the cut, and is longer than what is looked at.
  const auto token = "begin-" + std::string(5000, 't');
  received.secrets = std::make_shared<const Secrets>(Secrets{token});
  received.fields = {{"X-Echo", std::string(70, '-') + token}};
  EXPECT_EQ(look(received, expect).headers.first.reason,
            fmt::format(R"(the header field x-echo is "{}***", which does not match ^ok$)", std::string(70, '-')));
}

TEST(Inspect, TheSha256IsOfTheDecodedBytes) {
  const std::string abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  EXPECT_EQ(look(body("abc"), {.sha256 = abc}).body.count, 0);
  auto zipped = body(test::compressed("abc", test::Format::kGzip));
  zipped.coding = "gzip";
  EXPECT_EQ(look(zipped, {.sha256 = abc}).body.count, 0);
  expect_breach(
      look(body(""), {.sha256 = abc}).body, Outcome::kBodyMismatch,
      "the SHA-256 of the body is e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855, not " + abc);
  auto capped = body("abc");
  capped.capped = true;
  expect_breach(look(capped, {.sha256 = abc}).body, Outcome::kBodyMismatch,
                "the body is longer than 3 B, so its SHA-256 is not known: raise body_limit");
}

TEST(Inspect, ACompressedBodyIsDecodedWithinItsLimit) {
  auto received = body(test::compressed("the marker" + std::string(1000, 'x') + "end", test::Format::kGzip));
  received.coding = "gzip";
  EXPECT_EQ(look(received, {.body = {"marker", "end"}}).body.count, 0);
  received.body_limit = 20;
  const auto found = look(received, {.body = {"marker", "end"}});
  EXPECT_TRUE(found.capped);
  expect_breach(found.body, Outcome::kBodyMismatch,
                "nothing matches end in the first 20 B of the body, which is longer");
  received.body.resize(received.body.size() / 2);
  received.body_limit = 1000;
  expect_breach(look(received, {.body = {"marker"}}).body, Outcome::kDecodeFailure,
                "the gzip body ends before it is complete");
  received.capped = true;
  EXPECT_EQ(look(received, {.body = {"^the"}}).body.count, 0) << "we cut it ourselves";
}

TEST(Inspect, AFaultyCodingIsSaidEvenWithoutRules) {
  auto received = body("not gzip");
  received.coding = "gzip";
  expect_breach(look(received, {.body = {"never looked at"}}).body, Outcome::kDecodeFailure,
                "the gzip body is broken: incorrect header check");
  expect_breach(look(received, {}).body, Outcome::kDecodeFailure, "the gzip body is broken: incorrect header check");
}

TEST(Inspect, AHeaderFieldMustMatchInOneOfItsLines) {
  Received received;
  received.fields = {{"Content-Type", "text/plain"}, {"vary", "Accept"}, {"Vary", "Cookie"}, {"Odd", "\xFF\x1B"}};
  const auto breaches = [&received](const Expect& expect) { return look(received, expect).headers; };
  EXPECT_EQ(breaches({.headers = {{"content-type", "^text/"}, {"VARY", "^Cookie$"}, {"Vary", ""}}}).count, 0);
  EXPECT_EQ(breaches({.headers_not = {{"Server", ""}, {"Content-Type", "html"}}}).count, 0);
  expect_breach(breaches({.headers = {{"Content-Type", "^text/html"}}}), Outcome::kHeaderMismatch,
                R"(the header field Content-Type is "text/plain", which does not match ^text/html)");
  expect_breach(breaches({.headers = {{"X-None", ""}, {"X-Other", "a"}}}), Outcome::kHeaderMismatch,
                "the header field X-None is missing", 2);
  expect_breach(breaches({.headers_not = {{"vary", "ook"}}}), Outcome::kHeaderMismatch,
                R"(the header field vary is "Cookie", which must not match ook)");
  expect_breach(breaches({.headers_not = {{"Vary", ""}}}), Outcome::kHeaderMismatch,
                "the header field Vary is there, which it must not be");
  expect_breach(breaches({.headers = {{"Odd", "a"}}}), Outcome::kHeaderMismatch,
                R"(the header field Odd is "\xff\x1b", which does not match a)");
}

TEST(Inspect, GivesBackTheBeginningForEvidence) {
  auto received = body("caf\xE9 au lait");
  received.charset = "iso-8859-1";
  EXPECT_EQ(look(received, {}).excerpt, "");
  received.excerpt = 6;
  EXPECT_EQ(look(received, {}).excerpt, "café ");
  EXPECT_EQ(look(received, {.body = {"a"}}).excerpt, "café ");
  received = body(test::compressed("plain", test::Format::kZlib));
  received.coding = "deflate";
  received.excerpt = 100;
  EXPECT_EQ(look(received, {}).excerpt, "plain");
  received.coding = "br";
  EXPECT_EQ(look(received, {}).excerpt, received.body) << "what cannot be decoded is shown as it came";
}

}  // namespace
}  // namespace monitor::probe
