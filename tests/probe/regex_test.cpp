#include "probe/regex.h"

#include <gtest/gtest.h>

#include "common/error.h"
#include "probe/options.h"
#include "support/noise.h"

namespace monitor::probe {
namespace {

bool found(const std::string& pattern, const std::string& text) {
  return Regex(pattern).found_in(text);
}

TEST(Regex, IsSearchedForAnywhere) {
  EXPECT_TRUE(found("openapi", R"({"openapi":"3.1.0"})"));
  EXPECT_FALSE(found("openapi", "swagger"));
  EXPECT_TRUE(found("", ""));
}

TEST(Regex, DollarAlsoMatchesBeforeOneFinalNewlineAsInPython) {
  EXPECT_TRUE(found("ok$", "ok"));
  EXPECT_TRUE(found("ok$", "ok\n"));
  EXPECT_TRUE(found("^ok$", "ok\n"));
  EXPECT_FALSE(found("ok$", "ok\n\n"));
  EXPECT_FALSE(found("ok$", "ok\nmore"));
  EXPECT_FALSE(found(R"(ok\z)", "ok\n"));
  EXPECT_TRUE(found("ok\n$", "ok\n"));
}

TEST(Regex, ADotIsACharacterAndNoNewline) {
  EXPECT_TRUE(found("^a.b$", "aäb"));
  EXPECT_FALSE(found("a.b", "a\nb"));
  EXPECT_TRUE(found("(?s)a.b", "a\nb"));
}

TEST(Regex, LinesMatterOnlyWhenAskedFor) {
  EXPECT_FALSE(found("^b", "a\nb"));
  EXPECT_TRUE(found("(?m)^b$", "a\nb\nc"));
}

TEST(Regex, AHostilePairOfPatternAndTextIsHarmless) {
  EXPECT_FALSE(found("(a+)+b", std::string(std::size_t{1} << 20, 'a')));
}

TEST(Regex, AHostilePairOfPatternAndRandomTextEnds) {
  const auto text = test::noise(std::size_t{64} << 10, "acdefgh");
  EXPECT_FALSE(found("a.{0,200}error", text));
  EXPECT_FALSE(found("a.{300}b", text));
  EXPECT_TRUE(found("a.{0,200}error", text + "a error"));
}

TEST(Regex, KnowsHowLongItIs) {
  EXPECT_LT(Regex("openapi").instructions(), 64U);
  EXPECT_GT(Regex("a.{0,200}error").instructions(), 1000U);
}

TEST(Regex, ARefusalNamesTheRewrite) {
  struct Case {
    std::string pattern, names, rewrite;
  };
  for (const auto& [pattern, names, rewrite] : std::vector<Case>{
           {"foo(?=bar)", "a look-ahead", "foobar"},
           {"foo(?!bar)", "a negative look-ahead", "instead"},
           {"(?<=foo)bar", "a look-behind", "foobar"},
           {"(?<!foo)bar", "a negative look-behind", "instead"},
           {R"((a|b)x\1)", R"(the back-reference \1)", "repeat the group"},
           {"(?P<q>a)(?P=q)", "a back-reference", "repeat the group"},
           {"(?>a+)b", "an atomic group", "linear"},
           {R"(ok\Z)", R"(\Z)", R"(write \z)"},
           {R"(\u00e4)", R"(\uNNNN)", R"(\x{NNNN})"},
           {"a{1001}", "too often", "1000"},
       }) {
    const auto why = refuse_regex(pattern);
    ASSERT_TRUE(why) << pattern;
    EXPECT_NE(why->find(names), std::string::npos) << pattern << ": " << *why;
    EXPECT_NE(why->find(rewrite), std::string::npos) << pattern << ": " << *why;
    EXPECT_THROW(Regex{pattern}, common::UsageError);
  }
  EXPECT_TRUE(refuse_regex("("));
  EXPECT_TRUE(refuse_regex("a**"));
  EXPECT_TRUE(refuse_regex("(\\pL{1,500}){2}"));
  EXPECT_FALSE(refuse_regex(R"(\d{3}-[a-z]+(?:x|y)$)"));
}

TEST(RegexPool, SharesIdenticalPatternsWhileTheyAreUsed) {
  RegexPool pool;
  const auto one = pool.get("same");
  EXPECT_EQ(one, pool.get("same"));
  EXPECT_NE(one, pool.get("other"));
  EXPECT_THROW(pool.get("("), common::UsageError);
  for (int i = 0; i < 1000; ++i) pool.get("pattern " + std::to_string(i));
  EXPECT_LT(pool.size(), 100U) << "what nobody holds is forgotten";
  EXPECT_EQ(one, pool.get("same"));
}

}  // namespace
}  // namespace monitor::probe
