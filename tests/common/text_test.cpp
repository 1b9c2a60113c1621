#include "common/text.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace monitor::common {
namespace {

using namespace std::string_literals;

TEST(EscapeControls, LeavesOneInertLine) {
  EXPECT_EQ(escape_controls("a\nb\tc\r\x1b[31m\0z"s), "a\\nb\\tc\\r\\x1b[31m\\x00z");
  EXPECT_EQ(escape_controls("\xC2\x9B"), "\\xc2\\x9b") << "a C1 control is a terminal escape too";
  EXPECT_EQ(escape_controls("naïve — ☃"), "naïve — ☃");
  EXPECT_EQ(escape_controls("\xFF\xC0\x80"), "\\xff\\xc0\\x80");
}

TEST(Storable, ReplacesWhatTheDatabasesRefuse) {
  EXPECT_EQ(storable("ab\0cd"s, 100), "ab␀cd");
  EXPECT_EQ(storable("a\xFFz", 100), "a\\xffz");
  EXPECT_EQ(storable("\xED\xA0\x80", 100), "\\xed\\xa0\\x80") << "a lone surrogate";
  EXPECT_EQ(storable("\xC0\xAF", 100), "\\xc0\\xaf") << "an overlong form";
  EXPECT_EQ(storable("\xF4\x90\x80\x80", 100), "\\xf4\\x90\\x80\\x80") << "beyond U+10FFFF";
}

TEST(Storable, CutsBetweenCharactersAndSaysSo) {
  EXPECT_EQ(storable("abcdef", 6), "abcdef");
  EXPECT_EQ(storable("abcdefg", 6), "abc…");
  EXPECT_EQ(storable("ééééé", 7), "éé…");
  const std::string huge(10'000'000, '\0');
  EXPECT_LE(storable(huge, 1024).size(), 1024U);
}

TEST(Utf8Sequence, KnowsTheLengthsAndTheLimits) {
  EXPECT_EQ(utf8_sequence("a"), 1U);
  EXPECT_EQ(utf8_sequence("é"), 2U);
  EXPECT_EQ(utf8_sequence("€"), 3U);
  EXPECT_EQ(utf8_sequence("😀"), 4U);
  EXPECT_EQ(utf8_sequence("\xE2\x82"), 0U);
  EXPECT_EQ(utf8_sequence(""), 0U);
}

TEST(StableHash, NeverChanges) {
  EXPECT_EQ(stable_hash(""), 14695981039346656037ULL);
  EXPECT_EQ(stable_hash("a"), 12638187200555641996ULL);
}

TEST(OneLine, LeavesOutGuessesAndSecrets) {
  const std::vector<std::string> secrets{"hunter2", "***"};
  EXPECT_EQ(one_line("no way in for hunter2\n\tIs the server running?\nhunter2hunter2 is wrong; \n", secrets),
            "no way in for ***; ****** is wrong");
  EXPECT_EQ(one_line("", secrets), "");
  EXPECT_EQ(one_line("\tonly a guess", secrets), "");
}

}  // namespace
}  // namespace monitor::common
