#include "probe/charset.h"

#include <tuple>

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

TEST(Charset, TheLastCharacterIsNotHeldBack) {
  for (const auto* charset :
       {"iso-8859-2",   "iso-8859-3",   "iso-8859-4",   "iso-8859-5",   "iso-8859-6",   "iso-8859-7",   "iso-8859-8",
        "iso-8859-9",   "iso-8859-10",  "iso-8859-11",  "iso-8859-13",  "iso-8859-14",  "iso-8859-15",  "iso-8859-16",
        "windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254", "windows-1255", "windows-1256",
        "windows-1257", "windows-1258", "cp1250",       "cp1251",       "cp1252",       "cp1253",       "cp1254",
        "cp1255",       "cp1256",       "cp1257",       "cp1258",       "koi8-r",       "koi8-u",       "macintosh",
        "ibm866",       "cp866",        "windows-874",  "tis-620",      "shift_jis",    "euc-jp",       "euc-kr",
        "gb2312",       "gbk",          "gb18030",      "big5",         "latin-9"}) {
    EXPECT_EQ(decoded("status OK", charset), "status OK") << charset;
  }
  const std::string text = "status OK";
  for (const auto& [charset, before, after] :
       {std::tuple{"utf-16", 0, 1}, std::tuple{"utf-16le", 0, 1}, std::tuple{"utf-16be", 1, 0},
        std::tuple{"utf-32", 0, 3}, std::tuple{"utf-32le", 0, 3}, std::tuple{"utf-32be", 3, 0}}) {
    std::string body;
    for (const char c : text) body.append(before, '\0').append(1, c).append(after, '\0');
    EXPECT_EQ(decoded(body, charset), text) << charset;
  }
  EXPECT_EQ(decoded("\xF9\xEC\xE5\xED", "windows-1255"), "שלום");
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
