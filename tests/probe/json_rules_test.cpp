#include "probe/json_rules.h"

#include <chrono>

#include <gtest/gtest.h>

#include "common/error.h"

namespace monitor::probe {
namespace {

using Is = JsonRule::Is;

JsonRules::Breaches judge(const JsonRule& rule, std::string_view text) {
  return JsonRules({rule}).judge(text);
}

std::string sentence(const JsonRules::Breaches& found) {
  return found.count == 0 ? "" : found.before + found.value + found.after;
}

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST(JsonRules, APointerFindsItsValue) {
  // The document of RFC 6901 §5.
  constexpr std::string_view kDocument = R"({"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4,
                                             "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8})";
  const std::vector<std::pair<std::string, std::string>> cases{
      {"/foo", R"(["bar", "baz"])"},
      {"/foo/0", R"("bar")"},
      {"/", "0"},
      {"/a~1b", "1"},
      {"/c%d", "2"},
      {"/e^f", "3"},
      {"/g|h", "4"},
      {"/i\\j", "5"},
      {"/k\"l", "6"},
      {"/ ", "7"},
      {"/m~0n", "8"},
  };
  for (const auto& [pointer, value] : cases) {
    EXPECT_EQ(sentence(judge({pointer, Is::kEqual, value}, kDocument)), "") << pointer;
  }
  EXPECT_EQ(judge({"", Is::kEqual, std::string(kDocument)}, kDocument).count, 0);
  for (const auto* missing : {"/none", "/foo/2", "/foo/-", "/foo/01", "/foo/+1", "/foo/", "/foo/0/x", "//x",
                              "/foo/99999999999999999999999"}) {
    EXPECT_EQ(judge({missing, Is::kMissing, ""}, kDocument).count, 0) << missing;
    EXPECT_EQ(judge({missing, Is::kExisting, ""}, kDocument).count, 1) << missing;
  }
}

TEST(JsonRules, ComparesByValue) {
  struct Case {
    const char* document;
    Is is;
    const char* value;
    bool holds;
  };
  const std::vector<Case> cases{
      {"1", Is::kEqual, "1.0", true},
      {"1e2", Is::kEqual, "100", true},
      {"-0", Is::kEqual, "0", true},
      {"\"1\"", Is::kEqual, "1", false},
      {"null", Is::kEqual, "null", true},
      {"true", Is::kEqual, "1", false},
      {"true", Is::kNotEqual, "false", true},
      {"\"ok\"", Is::kNotEqual, "\"ok\"", false},
      {R"("\u00e9")", Is::kEqual, R"("é")", true},
      {"9007199254740993", Is::kEqual, "9007199254740992.0", false},
      {"18446744073709551615", Is::kEqual, "18446744073709551615", true},
      {"18446744073709551615", Is::kAbove, "-1", true},
      {"9223372036854775807", Is::kBelow, "9223372036854775808", true},
      {"[1, {\"a\": 2}]", Is::kEqual, "[1.0, {\"a\": 2e0}]", true},
      {"[1, 2]", Is::kEqual, "[2, 1]", false},
      {R"({"a":1,"b":2})", Is::kEqual, R"({"b":2,"a":1})", true},
      {R"({"a":1})", Is::kEqual, R"({"a":1,"b":2})", false},
      {"2.9", Is::kBelow, "3", true},
      {"3", Is::kBelow, "3", false},
      {"3", Is::kAtMost, "3", true},
      {"3.1", Is::kAtMost, "3", false},
      {"3", Is::kAbove, "3", false},
      {"3.1", Is::kAbove, "3", true},
      {"3", Is::kAtLeast, "3", true},
      {"2.9", Is::kAtLeast, "3", false},
      {"\"5\"", Is::kAbove, "3", false},
      {"null", Is::kExisting, "", true},
      {"null", Is::kMissing, "", false},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(judge({"", test.is, test.value}, test.document).count == 0, test.holds)
        << test.document << ' ' << static_cast<int>(test.is) << ' ' << test.value;
  }
}

TEST(JsonRules, SaysWhatIsThereAndWhatShouldBe) {
  constexpr std::string_view kDocument =
      R"({"status": "degraded", "load": 5.5, "list": [1, 2], "map": {"a": 1}, "gone": null})";
  const std::vector<std::pair<JsonRule, std::string>> cases{
      {{"/status", Is::kEqual, R"("ok")"}, R"(the JSON value at /status is degraded, not "ok")"},
      {{"/load", Is::kEqual, "5"}, "the JSON value at /load is 5.5, not 5"},
      {{"/gone", Is::kEqual, "true"}, "the JSON value at /gone is null, not true"},
      {{"/list", Is::kEqual, "[]"}, "the JSON value at /list is an array of 2, not []"},
      {{"/map", Is::kEqual, "1"}, "the JSON value at /map is an object of 1, not 1"},
      {{"/status", Is::kNotEqual, R"("degraded")"}, "the JSON value at /status is degraded, which it must not be"},
      {{"/load", Is::kBelow, "3"}, "the JSON value at /load is 5.5, not below 3"},
      {{"/load", Is::kAtMost, "3"}, "the JSON value at /load is 5.5, not at most 3"},
      {{"/load", Is::kAbove, "7"}, "the JSON value at /load is 5.5, not above 7"},
      {{"/load", Is::kAtLeast, "7"}, "the JSON value at /load is 5.5, not at least 7"},
      {{"/status", Is::kAbove, "1"}, "the JSON value at /status is degraded, not a number"},
      {{"/none", Is::kEqual, "1"}, "the JSON document has no value at /none"},
      {{"/none", Is::kNotEqual, "1"}, "the JSON document has no value at /none"},
      {{"/none", Is::kExisting, ""}, "the JSON document has no value at /none"},
      {{"/load", Is::kMissing, ""}, "the JSON document has a value at /load, which must not be there"},
      {{"", Is::kEqual, "1"}, "the JSON document is an object of 5, not 1"},
  };
  for (const auto& [rule, expected] : cases) EXPECT_EQ(sentence(judge(rule, kDocument)), expected);
  EXPECT_TRUE(judge({"/status", Is::kEqual, "1"}, kDocument).is_text);
  EXPECT_FALSE(judge({"/load", Is::kEqual, "1"}, kDocument).is_text);
}

TEST(JsonRules, CountsEveryRuleThatIsBrokenAndNamesTheFirst) {
  const JsonRules rules({{"/a", Is::kEqual, "1"}, {"/b", Is::kEqual, "1"}, {"/c", Is::kEqual, "1"}});
  const auto found = rules.judge(R"({"a": 1, "b": 2, "c": 3})");
  EXPECT_EQ(found.count, 2);
  EXPECT_EQ(sentence(found), "the JSON value at /b is 2, not 1");
  EXPECT_EQ(rules.judge("<html>").count, 3);
  EXPECT_EQ(JsonRules().judge("<html>").count, 0) << "without rules a body need not be JSON";
}

TEST(JsonRules, ABodyThatIsNotJsonBreaksThem) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "the body is not JSON: incomplete JSON"},
      {"<html>", "the body is not JSON: syntax error"},
      {"{\"a\": 1", "the body is not JSON: incomplete JSON"},
      {"{} {}", "the body is not JSON: extra data"},
      {R"("\ud800")", "the body is not JSON: syntax error"},
      {R"("\udc00")", "the body is not JSON: illegal trailing surrogate"},
  };
  for (const auto& [body, expected] : cases) {
    EXPECT_EQ(sentence(judge({"", Is::kExisting, ""}, body)), expected) << body;
  }
}

TEST(JsonRules, TheLastOfEqualNamesCountsAndHugeNumbersAreInfinite) {
  EXPECT_EQ(judge({"/a", Is::kEqual, "2"}, R"({"a": 1, "a": 2})").count, 0);
  EXPECT_EQ(judge({"/a/x", Is::kMissing, ""}, R"({"a": {"x": 1}, "a": {}})").count, 0);
  EXPECT_EQ(judge({"", Is::kAbove, "1e308"}, "1e999").count, 0);
  EXPECT_EQ(judge({"", Is::kBelow, "-1e308"}, "-1e999").count, 0);
  EXPECT_EQ(judge({"", Is::kEqual, "0"}, "1e-999").count, 0);
  EXPECT_EQ(judge({"", Is::kEqual, "5"}, "\xEF\xBB\xBF 5").count, 0) << "a byte order mark is passed over";
}

TEST(JsonRules, NestingIsLimited) {
  const auto nested = [](std::size_t depth) { return repeated("[", depth) + repeated("]", depth); };
  EXPECT_EQ(judge({"/0", Is::kExisting, ""}, nested(kMaxJsonDepth)).count, 0);
  const auto begin = std::chrono::steady_clock::now();
  for (const auto depth : {kMaxJsonDepth + 1, std::size_t{100'000}}) {
    EXPECT_EQ(sentence(judge({"/0", Is::kExisting, ""}, nested(depth))),
              "the body cannot be read as JSON: it is nested more than 32 deep");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{1});
}

TEST(JsonRules, MemoryIsLimited) {
  constexpr std::size_t kMebi = std::size_t{1} << 20;
  for (const auto* piece : {"1,", "[],", "{},", "[1],", "{\"\":1},", "[[[[1]]]],"}) {
    const auto fill = [piece](std::size_t bytes) {
      return "[" + repeated(piece, bytes / std::string_view(piece).size()) + "0]";
    };
    EXPECT_EQ(sentence(judge({"/0", Is::kExisting, ""}, fill(kMebi))), "") << piece;
    EXPECT_EQ(sentence(judge({"/0", Is::kExisting, ""}, fill(8 * kMebi))),
              "the body cannot be read as JSON: it would take more than 64 MiB of memory")
        << piece;
  }
}

TEST(JsonRules, WhatCannotBeUsedIsRefused) {
  EXPECT_EQ(refuse_json_pointer(""), std::nullopt);
  EXPECT_EQ(refuse_json_pointer("/a/0/~0~1"), std::nullopt);
  EXPECT_EQ(refuse_json_pointer("status"),
            "the JSON pointer does not begin with a slash (RFC 6901): write /a/b for the member b of the member a, and "
            "an empty text for the whole document");
  for (const auto* bad : {"/a~", "/a~2", "/~~0"}) {
    EXPECT_EQ(refuse_json_pointer(bad),
              "the JSON pointer has a ~ that is followed by neither 0 nor 1 (RFC 6901): write ~0 for ~ and ~1 for /")
        << bad;
  }
  EXPECT_EQ(refuse_json_pointer(repeated("/", 1001)), "the JSON pointer is 1001 bytes long; at most 1000 are allowed");

  for (const auto* good : {"1", "\"ok\"", "null", "[1]", " true "}) {
    EXPECT_EQ(refuse_json_value(good, Is::kEqual), std::nullopt) << good;
  }
  EXPECT_EQ(refuse_json_value("ok", Is::kEqual),
            "the value to compare with is not JSON (syntax error): write \"text\", 5, true, null");
  EXPECT_EQ(refuse_json_value("-5.5", Is::kBelow), std::nullopt);
  for (const auto* bad : {"\"5\"", "null", "1e999"}) {
    EXPECT_EQ(refuse_json_value(bad, Is::kAtLeast),
              "the value to compare with is not a number: below, at_most, above and at_least compare numbers");
  }
  EXPECT_EQ(refuse_json_value("", Is::kExisting), std::nullopt);
  EXPECT_EQ(refuse_json_value("1", Is::kMissing),
            "there is nothing to compare with: whether a value exists is all that is asked");
  EXPECT_THROW(JsonRules({{"a", Is::kExisting, ""}}), common::UsageError);
  EXPECT_THROW(JsonRules({{"/a", Is::kEqual, "ok"}}), common::UsageError);
}

}  // namespace
}  // namespace monitor::probe
