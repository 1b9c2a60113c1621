#include "probe/retry_after.h"

#include <gtest/gtest.h>

#include "probe/response.h"

namespace monitor::probe {
namespace {

using std::chrono::seconds;

// 1994-11-06 08:49:07, half a minute before the date of RFC 9110's examples.
constexpr common::WallTime kNow = std::chrono::sys_days{std::chrono::year{1994} / 11 / 6} + std::chrono::hours{8} +
                                  std::chrono::minutes{49} + seconds{7};

TEST(RetryAfter, IsANumberOfSeconds) {
  EXPECT_EQ(parse_retry_after("0", kNow), seconds{0});
  EXPECT_EQ(parse_retry_after("120", kNow), seconds{120});
  EXPECT_EQ(parse_retry_after("00000000120", kNow), seconds{120});
}

TEST(RetryAfter, IsADateInEachOfTheThreeForms) {
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", kNow), seconds{30});
  EXPECT_EQ(parse_retry_after("Sunday, 06-Nov-94 08:49:37 GMT", kNow), seconds{30});
  EXPECT_EQ(parse_retry_after("Sun Nov  6 08:49:37 1994", kNow), seconds{30});
}

TEST(RetryAfter, ADateIsRoundedUp) {
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", kNow + common::Micros{1}), seconds{30});
}

TEST(RetryAfter, AMomentThatHasPassedIsNow) {
  EXPECT_EQ(parse_retry_after("Sat, 05 Nov 1994 08:49:37 GMT", kNow), seconds{0});
  EXPECT_EQ(parse_retry_after("Friday, 06-Nov-45 08:49:37 GMT", kNow), seconds{0}) << "1945, not 2045";
}

TEST(RetryAfter, WhatIsTooLongIsADay) {
  EXPECT_EQ(parse_retry_after("86401", kNow), kMaxRetryAfter);
  EXPECT_EQ(parse_retry_after("99999999999999999999999999", kNow), kMaxRetryAfter);
  EXPECT_EQ(parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", kNow), kMaxRetryAfter);
  EXPECT_EQ(parse_retry_after("Sunday, 06-Nov-44 08:49:37 GMT", kNow), kMaxRetryAfter) << "2044";
}

TEST(RetryAfter, AnythingElseIsNothing) {
  for (const char* text :
       {"", " ", "-1", "+1", "1.5", "1s", "soon", "1, 2", "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 1994 08:49 GMT", "Sun, 06 NOV 1994 08:49:37 GMT",
        "Sun, 06 Nov 199 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT GMT", "Sun, 06 Nov 19940 08:49:37 GMT",
        "Sun, 1 2 3 4 5 6 7 8 9"}) {
    EXPECT_EQ(parse_retry_after(text, kNow), std::nullopt) << text;
  }
}

std::optional<std::string> read(std::string_view response) {
  ResponseReader reader({});
  reader.feed(response);
  return reader.retry_after();
}

TEST(RetryAfter, IsReadOfA429AndA503Alone) {
  EXPECT_EQ(read("HTTP/1.1 429 x\r\nretry-after: 7\r\nContent-Length: 0\r\n\r\n"), "7");
  EXPECT_EQ(read("HTTP/1.1 503 x\r\nRetry-After: 7\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n"), "7")
      << "the first";
  for (const char* status : {"200", "301", "413", "500", "504"}) {
    const auto response = std::string("HTTP/1.1 ") + status + " x\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n";
    EXPECT_EQ(read(response), std::nullopt) << status;
  }
}

}  // namespace
}  // namespace monitor::probe
