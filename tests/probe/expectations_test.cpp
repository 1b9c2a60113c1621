#include "probe/expectations.h"

#include <gtest/gtest.h>

#include "common/error.h"
#include "probe/evidence.h"

namespace monitor::probe {
namespace {

using Is = JsonRule::Is;

Service service(const Expect& expect, std::optional<std::string> regex = std::nullopt) {
  Service out;
  out.check_regex = regex.has_value();
  out.regex = std::move(regex);
  Spec spec;
  spec.expect = expect;
  out.extra = std::make_shared<const Spec>(std::move(spec));
  return out;
}

class ExpectationsTest : public ::testing::Test {
 protected:
  SharedExpectations get(const Expect& expect, std::optional<std::string> regex = std::nullopt) {
    return pool_.get(service(expect, std::move(regex)), regexes_);
  }
  RegexPool regexes_;
  ExpectationsPool pool_;
};

TEST_F(ExpectationsTest, EqualOnesAreOneObject) {
  const Expect expect{.status = {{200, 299}}, .body = {"ok"}, .json = {{"/a", Is::kEqual, "1"}}};
  const auto first = get(expect, "marker");
  EXPECT_EQ(first, get(expect, "marker"));
  EXPECT_NE(first, get(expect));
  EXPECT_NE(first, get(expect, "other"));
  EXPECT_NE(first, get({}, "marker"));
  EXPECT_EQ(get({}), pool_.get(Service{}, regexes_)) << "no spec is every default";
  Service unchecked;
  unchecked.regex = "never looked for";
  EXPECT_EQ(get({}), pool_.get(unchecked, regexes_));
}

TEST_F(ExpectationsTest, EveryMemberTellsThemApart) {
  std::vector<Expect> all(18);
  all[1].status = {{200, 200}};
  all[2].body = {"a"};
  all[3].body_not = {"a"};
  all[4].headers = {{"A", "a"}};
  all[5].headers_not = {{"A", "a"}};
  all[6].json = {{"/a", Is::kExisting, ""}};
  all[7].json = {{"/a", Is::kMissing, ""}};
  all[8].max_time = all[9].max_dns = all[10].max_connect = all[11].max_tls = std::chrono::seconds{1};
  all[12].max_first_byte = all[13].max_transfer = all[14].warn_time = std::chrono::seconds{1};
  all[15].cert_days = 5;
  all[16].tls_min = net::TlsVersion::k12;
  all[17].sha256 = std::string(64, 'a');
  std::vector<SharedExpectations> had;
  for (const auto& expect : all) had.push_back(get(expect));
  for (std::size_t i = 0; i < had.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(had[i], had[j]) << i << ' ' << j;
  }
}

TEST_F(ExpectationsTest, OneExpressionIsCompiledOnce) {
  const auto first = get({.body = {"same"}, .body_not = {"other"}}, "same");
  const auto second = get({.headers = {{"Server", "same"}}});
  EXPECT_EQ(first->regex(), first->body().front().regex);
  EXPECT_EQ(first->regex(), second->headers().front().regex);
  EXPECT_EQ(regexes_.size(), 2U);
}

TEST_F(ExpectationsTest, ForgetsWhatNobodyHolds) {
  for (int i = 0; i < 1000; ++i) get({.body = {std::to_string(i)}});
  EXPECT_LE(pool_.size(), 64U);
  const auto held = get({.body = {"held"}});
  for (int i = 0; i < 1000; ++i) get({.body = {std::to_string(i)}});
  EXPECT_EQ(held, get({.body = {"held"}}));
}

TEST_F(ExpectationsTest, TheBodyIsNeededOnlyByWhatLooksAtIt) {
  EXPECT_FALSE(get({})->needs_body());
  EXPECT_FALSE(
      get({.status = {{200, 200}}, .headers = {{"A", ""}}, .max_time = std::chrono::seconds{1}})->needs_body());
  EXPECT_TRUE(get({}, "")->needs_body()) << "the empty expression is one";
  EXPECT_TRUE(get({.body = {"a"}})->needs_body());
  EXPECT_TRUE(get({.body_not = {"a"}})->needs_body());
  EXPECT_TRUE(get({.json = {{"", Is::kExisting, ""}}})->needs_body());
  EXPECT_TRUE(get({.sha256 = std::string(64, '0')})->needs_body());
}

TEST_F(ExpectationsTest, NamesTheFieldsToKeepOnce) {
  const auto had = get({.headers = {{"Content-Type", "a"}, {"X-A", ""}}, .headers_not = {{"content-TYPE", "b"}}});
  EXPECT_EQ(had->header_names(), (std::vector<std::string>{"content-type", "x-a"}));
}

TEST_F(ExpectationsTest, SaysHowMuchOfTheBodyEvidenceNeeds) {
  const auto window = [this](const EvidenceOptions& evidence) {
    return Expectations({std::nullopt, {}, evidence}, regexes_).evidence_window();
  };
  EXPECT_EQ(window({.bytes = 4096}), 4096 + kEvidenceMargin);
  EXPECT_EQ(window({.bytes = 0}), 0U);
  EXPECT_EQ(window({.bytes = 4096, .none = true}), 0U);
}

TEST_F(ExpectationsTest, RefusesWhatTheConfigurationShouldHaveRefused) {
  EXPECT_THROW(get({.body = {"("}}), common::UsageError);
  EXPECT_THROW(get({.json = {{"a", Is::kExisting, ""}}}), common::UsageError);
  EXPECT_THROW(get({.sha256 = "abc"}), common::UsageError);
}

TEST(ExpectRules, AStatusIsANumberARangeOrAClass) {
  const std::vector<std::pair<std::string_view, StatusRange>> good{
      {"404", {404, 404}}, {"200-299", {200, 299}}, {"2xx", {200, 299}}, {"5XX", {500, 599}}, {"100-999", {100, 999}}};
  for (const auto& [text, range] : good) EXPECT_EQ(parse_status(text), range) << text;
  for (const auto* bad : {"", "20", "2000", "099", "2yy", "0xx", "299-200", "200-", "-200", "200-299-300", " 200",
                          "+20", "2Xx", "200 - 299", "1000"}) {
    EXPECT_EQ(parse_status(bad), std::nullopt) << bad;
  }
}

TEST(ExpectRules, ARedactionThatMatchesNothingIsRefused) {
  EXPECT_EQ(refuse_redaction("token=[a-z]+"), std::nullopt);
  EXPECT_EQ(refuse_redaction("[a-z]*"),
            "the regular expression matches the empty text, so there would be no end of what to redact: write + for *");
  EXPECT_EQ(refuse_redaction("("), Regex::refuse("("));
}

TEST(ExpectRules, ASha256Is64Digits) {
  EXPECT_EQ(refuse_sha256(std::string(32, 'a') + std::string(32, 'F')), std::nullopt);
  for (const auto& bad : {std::string(), std::string(63, 'a'), std::string(65, 'a'), std::string(64, 'g')}) {
    EXPECT_EQ(refuse_sha256(bad), "a SHA-256 is written as 64 hexadecimal digits, as sha256sum(1) prints it");
  }
}

}  // namespace
}  // namespace monitor::probe
