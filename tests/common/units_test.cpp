#include "common/units.h"

#include <gtest/gtest.h>

namespace monitor::common {
namespace {

using std::chrono::seconds;

TEST(ShortDuration, IsReadToTheMillisecond) {
  using namespace std::chrono_literals;
  EXPECT_EQ(parse_short_duration("500ms"), 500ms);
  EXPECT_EQ(parse_short_duration("2s"), 2s);
  EXPECT_EQ(parse_short_duration("1.5s"), 1500ms);
  EXPECT_EQ(parse_short_duration("0.001"), 1ms);
  EXPECT_EQ(parse_short_duration("2"), 2s);
  EXPECT_EQ(parse_short_duration("1.5m"), 90s);
  EXPECT_EQ(parse_short_duration("3600"), 3600s);
  EXPECT_EQ(parse_short_duration("0"), 0s);
}

TEST(ShortDuration, IsRefusedWhereItIsNone) {
  for (const auto* text : {"", "s", "ms", ".5s", "1.s", "1.5ms", "0.0005", "0.0001m", "-1s", "+1s", "1 s", "1h", "1S",
                           "1e3", "3601", "61m", "99999999999999999999", "18446744073709551615s", "2s "}) {
    EXPECT_EQ(parse_short_duration(text), std::nullopt) << text;
  }
}

TEST(ParseDuration, ReadsPlainSecondsAndUnits) {
  EXPECT_EQ(parse_duration("0"), seconds{0});
  EXPECT_EQ(parse_duration("90"), seconds{90});
  EXPECT_EQ(parse_duration("90s"), seconds{90});
  EXPECT_EQ(parse_duration("15m"), seconds{900});
  EXPECT_EQ(parse_duration("24h"), seconds{86400});
  EXPECT_EQ(parse_duration("365d"), seconds{365 * 86400});
}

TEST(ParseDuration, RefusesEverythingElse) {
  for (const char* text : {"", "h", "-1", "1.5h", "1w", "1h30m", " 1", "1 ", "99999999999999999999", "200000d"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(FormatDuration, IsReadBackAsTheSame) {
  for (const std::int64_t count : {0, 1, 59, 60, 90, 3600, 86400, 90000, 604800}) {
    EXPECT_EQ(parse_duration(format_duration(seconds{count})), seconds{count});
  }
  EXPECT_EQ(format_duration(seconds{3600}), "1h");
}

TEST(ParseSize, ReadsBytesAndBinaryUnits) {
  EXPECT_EQ(parse_size("512"), 512U);
  EXPECT_EQ(parse_size("64 KiB"), 65536U);
  EXPECT_EQ(parse_size("10GiB"), 10ULL << 30);
  EXPECT_EQ(parse_size("10 GB"), std::nullopt);
  EXPECT_EQ(parse_size("99999999 TiB"), std::nullopt);
}

TEST(FormatSize, ShowsAtMostOneDigitAfterThePoint) {
  EXPECT_EQ(format_size(0), "0 B");
  EXPECT_EQ(format_size(12), "12 B");
  EXPECT_EQ(format_size(1536), "1.5 KiB");
  EXPECT_EQ(format_size(10ULL << 30), "10 GiB");
}

TEST(FormatTime, IsUtcToTheMicrosecond) {
  EXPECT_EQ(format_time(from_unix_micros(1'713'789'330'970'123)), "2024-04-22 12:35:30.970123");
  EXPECT_EQ(format_time(from_unix_micros(-1)), "1969-12-31 23:59:59.999999");
}

}  // namespace
}  // namespace monitor::common
