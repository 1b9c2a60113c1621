#include "probe/decode.h"

#include <chrono>

#include <gtest/gtest.h>

#include "support/compress.h"
#include "support/noise.h"

namespace monitor::probe {
namespace {

using test::Format;

constexpr std::size_t kMebi = std::size_t{1} << 20;
const std::string kText = test::noise(100'000, "abcdefghij \n");

std::string refusal(std::string_view encoded, std::string_view coding, bool cut = false) {
  return decode_content(encoded, coding, kMebi, cut).refusal.value_or("");
}

TEST(Decode, EveryFormatComesBackAsItWas) {
  for (const auto& text : {std::string(), std::string("x"), kText}) {
    for (const auto& [format, coding] : {std::pair{Format::kGzip, "gzip"},
                                         {Format::kGzip, " X-GZIP "},
                                         {Format::kZlib, "deflate"},
                                         {Format::kBare, "Deflate"}}) {
      const auto decoded = decode_content(test::compressed(text, format), coding, kMebi);
      EXPECT_EQ(decoded.refusal, std::nullopt) << coding;
      EXPECT_EQ(decoded.body, text) << coding;
      EXPECT_FALSE(decoded.capped);
    }
  }
}

TEST(Decode, IdentityIsTakenAsItIs) {
  for (const auto* coding : {"", "identity", " Identity"}) {
    EXPECT_EQ(decode_content("text", coding, 10).body, "text");
    EXPECT_FALSE(decode_content("text", coding, 4).capped);
    EXPECT_EQ(decode_content("text", coding, 3).body, "tex");
    EXPECT_TRUE(decode_content("text", coding, 3).capped);
  }
}

TEST(Decode, AnEmptyBodyIsEmptyInEveryCoding) {
  EXPECT_EQ(refusal("", "gzip"), "");
  EXPECT_EQ(refusal("", "deflate"), "");
}

TEST(Decode, MembersOneAfterTheOtherAreOneBody) {
  const auto one = test::compressed("one ", Format::kGzip), two = test::compressed("two", Format::kGzip);
  EXPECT_EQ(decode_content(one + two, "gzip", kMebi).body, "one two");
  EXPECT_EQ(decode_content(one + "garbage", "gzip", kMebi).body, "one ") << "what follows the end is ignored";
  EXPECT_EQ(refusal(one + two.substr(0, 12), "gzip"), "the gzip body ends before it is complete");
}

TEST(Decode, ACutBodyIsCappedOnlyWhereItMayBe) {
  const auto whole = test::compressed(kText, Format::kGzip);
  const auto half = whole.substr(0, whole.size() / 2);
  EXPECT_EQ(refusal(half, "gzip"), "the gzip body ends before it is complete");
  EXPECT_EQ(refusal(test::compressed(kText, Format::kZlib).substr(0, 100), "deflate"),
            "the deflate body ends before it is complete");
  const auto decoded = decode_content(half, "gzip", kMebi, true);
  EXPECT_EQ(decoded.refusal, std::nullopt);
  EXPECT_TRUE(decoded.capped);
  EXPECT_GT(decoded.body.size(), 10'000U);
  EXPECT_TRUE(kText.starts_with(decoded.body));
}

TEST(Decode, DecodingEndsAtTheLimit) {
  const auto encoded = test::compressed(kText, Format::kGzip);
  for (const auto limit : {std::size_t{0}, std::size_t{1}, std::size_t{16384}, kText.size() - 1}) {
    const auto decoded = decode_content(encoded, "gzip", limit);
    EXPECT_TRUE(decoded.capped) << limit;
    EXPECT_EQ(decoded.body, kText.substr(0, limit));
  }
  EXPECT_FALSE(decode_content(encoded, "gzip", kText.size()).capped);
}

TEST(Decode, ABrokenBodyIsRefused) {
  auto crc = test::compressed(kText, Format::kGzip);
  crc[crc.size() - 6] ^= 1;
  EXPECT_EQ(refusal(crc, "gzip"), "the gzip body is broken: incorrect data check");
  auto length = test::compressed(kText, Format::kGzip);
  length[length.size() - 1] ^= 1;
  EXPECT_EQ(refusal(length, "gzip"), "the gzip body is broken: incorrect length check");
  EXPECT_EQ(refusal("plain text", "gzip"), "the gzip body is broken: incorrect header check");
  EXPECT_EQ(refusal("\xFF\xFF\xFF\xFF", "deflate"), "the deflate body is broken: invalid block type");
  EXPECT_EQ(refusal("\x78\xBB\x01\x02\x03\x04", "deflate"), "the deflate body is broken: it needs a dictionary");
}

TEST(Decode, OneCodingAlone) {
  EXPECT_EQ(refusal("x", "gzip, gzip"), "the body is in more than one content coding (gzip, gzip): only one is undone");
  EXPECT_EQ(refusal("x", "br"), "the body is in a content coding that was not asked for (br)");
  EXPECT_EQ(refusal("x", "evil\x1B[31m"), "the body is in a content coding that was not asked for (evil\\x1b[31m)");
}

TEST(Decode, ABombIsRefusedBeforeItGrows) {
  const std::string bomb = test::compressed(std::string(64 * kMebi, '\0'), Format::kGzip);
  const auto begin = std::chrono::steady_clock::now();
  const auto decoded = decode_content(bomb, "gzip", 64 * kMebi);
  EXPECT_EQ(decoded.refusal, "the gzip body decodes to more than 200 times its size: that is no honest content");
  EXPECT_LT(decoded.body.size(), kMebi);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{1});
  const auto small = test::compressed(std::string(kFreeDecodedBytes, 'a'), Format::kGzip);
  EXPECT_EQ(refusal(small, "gzip"), "") << "a page of one letter is no bomb";
}

}  // namespace
}  // namespace monitor::probe
