#include "probe/charset.h"

#include <gtest/gtest.h>

namespace monitor::probe {
namespace {

std::string decoded(std::string_view body, std::string_view charset) {
  std::string storage;
  return std::string(decode(body, charset, storage));
}

TEST(Charset, IsAParameterOfTheContentType) {
  EXPECT_EQ(charset_of("text/html; charset=UTF-8"), "utf-8");
  EXPECT_EQ(charset_of("text/html;charset=\"ISO-8859-1\"; x=y"), "iso-8859-1");
  EXPECT_EQ(charset_of("text/html; x=y ; Charset = koi8-r"), "koi8-r");
  EXPECT_EQ(charset_of("text/html"), "");
  EXPECT_EQ(charset_of(""), "");
  EXPECT_EQ(charset_of(";;;charset"), "");
}

TEST(Charset, ValidUtf8IsNotCopied) {
  const std::string body = "grüße, 世界 🎉";
  std::string storage;
  EXPECT_EQ(decode(body, "utf-8", storage).data(), body.data());
  EXPECT_EQ(decode(body, "", storage).data(), body.data());
}

TEST(Charset, BadBytesAreReplaced) {
  EXPECT_EQ(decoded("a\xFFz", ""), "a\xEF\xBF\xBDz");
  EXPECT_EQ(decoded("\xC3", "utf-8"), "\xEF\xBF\xBD");
  EXPECT_EQ(decoded("caf\xC3\xA9", "us-ascii"), "caf\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(Charset, KnowsTheOnesInUse) {
  EXPECT_EQ(decoded("caf\xE9", "iso-8859-1"), "café");
  EXPECT_EQ(decoded("caf\xE9", "latin1"), "café");
  EXPECT_EQ(decoded("\xA4", "iso-8859-15"), "€");
  EXPECT_EQ(decoded("\x80", "windows-1252"), "€");
  EXPECT_EQ(decoded("\xEF\xF0\xE8\xE2\xE5\xF2", "windows-1251"), "привет");
  EXPECT_EQ(decoded({"h\0i\0", 4}, "utf-16le"), "hi");
  EXPECT_EQ(decoded({"\xFE\xFF\0h\0i", 6}, "utf-16"), "hi");
  EXPECT_EQ(decoded("\x93\xFA\x96\x7B", "shift_jis"), "日本");
}

TEST(Charset, EndsOnAHalfCharacterWithoutHarm) {
  EXPECT_EQ(decoded({"h\0i", 3}, "utf-16le"), "h\xEF\xBF\xBD");
  EXPECT_EQ(decoded("\x93", "shift_jis"), "\xEF\xBF\xBD");
}

TEST(Charset, ABogusOneIsReadAsUtf8) {
  EXPECT_EQ(decoded("grüße", "klingon"), "grüße");
  EXPECT_EQ(decoded("grüße", "utf-8//translit"), "grüße");
  EXPECT_EQ(decoded("a\xFF", "../../x"), "a\xEF\xBF\xBD");
}

}  // namespace
}  // namespace monitor::probe
