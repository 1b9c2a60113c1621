#include "probe/response.h"

#include <gtest/gtest.h>

namespace monitor::probe {
namespace {

using common::Outcome;
using State = ResponseReader::State;

constexpr std::size_t kLimit = std::size_t{1} << 20;

struct Read {
  explicit Read(std::string_view bytes, bool head = false, std::size_t limit = kLimit, std::size_t piece = 0)
      : reader({head, true, limit}) {
    if (piece == 0) piece = bytes.size();
    while (!bytes.empty() && state == State::kMore) {
      const auto now = bytes.substr(0, piece);
      state = reader.feed(std::string(now));  // a buffer of its own: reading past it is seen by the sanitizer
      bytes.remove_prefix(now.size());
    }
  }
  Outcome outcome() const { return reader.failure().outcome; }
  std::string reason() const { return reader.failure().reason; }
  ResponseReader reader;
  State state = State::kMore;
};

TEST(Response, ALengthEndsTheBody) {
  const Read read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello");
  EXPECT_EQ(read.state, State::kComplete);
  EXPECT_EQ(read.reader.status(), 200);
  EXPECT_EQ(read.reader.body(), "hello");
  EXPECT_EQ(read.reader.body_bytes(), 5U);
  EXPECT_EQ(read.reader.content_type(), "text/plain");
}

TEST(Response, ArrivesInPiecesOfAnySize) {
  for (const std::string_view whole : {
           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n",
           "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.0 200 \r\nContent-Length: 5\r\n\r\nhello",
       }) {
    for (std::size_t piece = 1; piece <= whole.size(); ++piece) {
      const Read read(whole, false, kLimit, piece);
      ASSERT_EQ(read.state, State::kComplete) << piece << " " << whole << read.reason();
      EXPECT_EQ(read.reader.body(), "hello") << piece;
    }
  }
}

TEST(Response, AnEmptyChunkedBodyInSingleBytesIsComplete) {
  const Read read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false, kLimit, 1);
  EXPECT_EQ(read.state, State::kComplete) << read.reason();
  EXPECT_EQ(read.reader.body_bytes(), 0U);
}

TEST(Response, WithoutALengthTheEndOfTheConnectionEndsTheBody) {
  Read read("HTTP/1.1 200 OK\r\n\r\nhello");
  EXPECT_EQ(read.state, State::kMore);
  EXPECT_EQ(read.reader.end(true), State::kComplete);
  EXPECT_EQ(read.reader.body(), "hello");
}

TEST(Response, AnEndThatCannotBeTrustedIsATruncation) {
  Read read("HTTP/1.1 200 OK\r\n\r\nhello");
  EXPECT_EQ(read.reader.end(false), State::kFailed);
  EXPECT_EQ(read.outcome(), Outcome::kTruncated);
  EXPECT_NE(read.reason().find("close_notify"), std::string::npos);
}

TEST(Response, AnEarlyEndIsATruncationThatSaysHowFarItCame) {
  Read body("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
  EXPECT_EQ(body.reader.end(true), State::kFailed);
  EXPECT_EQ(body.outcome(), Outcome::kTruncated);
  EXPECT_EQ(body.reason(), "the connection ended after 5 of 10 bytes of the body");
  EXPECT_EQ(body.reader.status(), 200);
  Read chunked("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  EXPECT_EQ(chunked.reader.end(true), State::kFailed);
  EXPECT_EQ(chunked.outcome(), Outcome::kTruncated);
  Read header("HTTP/1.1 200 OK\r\nContent-");
  EXPECT_EQ(header.reader.end(true), State::kFailed);
  EXPECT_EQ(header.outcome(), Outcome::kTruncated);
  EXPECT_FALSE(header.reader.status());
  Read interim("HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(interim.reader.end(true), State::kFailed);
  EXPECT_EQ(interim.outcome(), Outcome::kTruncated);
}

TEST(Response, HeadAnd204And304HaveNoBody) {
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", true).state, State::kComplete);
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", true).reader.body_bytes(), 0U);
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true).state, State::kComplete);
  EXPECT_EQ(Read("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nbody").reader.body_bytes(), 0U);
  EXPECT_EQ(Read("HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n").state, State::kComplete);
}

TEST(Response, ReadingStopsAtTheLimitOfTheBody) {
  for (const std::string_view whole : {
           "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n",
           "HTTP/1.1 200 OK\r\n\r\n0123456789",
       }) {
    const Read read(whole, false, 4);
    EXPECT_EQ(read.state, State::kComplete) << whole;
    EXPECT_TRUE(read.reader.capped());
    EXPECT_EQ(read.reader.body(), "0123");
    EXPECT_EQ(read.reader.body_bytes(), 4U);
  }
  EXPECT_FALSE(Read("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n0123", false, 4).reader.capped());
}

TEST(Response, AHeaderIsAtMost64KiB) {
  const std::string start = "HTTP/1.1 200 OK\r\n";
  const std::string end = "Content-Length: 0\r\n\r\n";
  const Read fits(start + "X: " + std::string(std::size_t{40} << 10, 'x') + "\r\n" + end);
  EXPECT_EQ(fits.state, State::kComplete) << fits.reason();
  const Read value(start + "X: " + std::string(std::size_t{70} << 10, 'x') + "\r\n" + end, false, kLimit, 8192);
  EXPECT_EQ(value.outcome(), Outcome::kHeaderLimit);
  EXPECT_EQ(value.reason(), "the response header is larger than 64 KiB");
  std::string fields;
  for (int i = 0; i < 10'000; ++i) fields += "X-Field: value\r\n";
  const std::string many = start + fields + end;
  for (const std::size_t piece : {1000, 65536}) {
    EXPECT_EQ(Read(many, false, kLimit, piece).outcome(), Outcome::kHeaderLimit) << piece;
  }
  EXPECT_EQ(Read("HTTP/1.1 200 " + std::string(std::size_t{1} << 20, 'x'), false, kLimit, 4096).outcome(),
            Outcome::kHeaderLimit);
}

TEST(Response, TrailersChunkHeadersAndExtensionsHaveLimits) {
  const std::string start = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string trailers;
  for (int i = 0; i < 10'000; ++i) trailers += "X-Field: value\r\n";
  EXPECT_EQ(Read(start + "0\r\n" + trailers, false, kLimit, 4096).outcome(), Outcome::kHeaderLimit);
  EXPECT_EQ(Read(start + "1;" + std::string(std::size_t{1} << 20, 'x'), false, kLimit, 4096).outcome(),
            Outcome::kHeaderLimit);
  std::string chunks;
  const std::string chunk = "1;" + std::string(50, 'x') + "\r\ny\r\n";
  for (int i = 0; i < 1000; ++i) chunks += chunk;
  const Read extensions(start + chunks, false, kLimit, 4096);
  EXPECT_EQ(extensions.outcome(), Outcome::kHeaderLimit);
  EXPECT_NE(extensions.reason().find("extensions"), std::string::npos) << extensions.reason();
}

TEST(Response, InterimResponsesAreFewAndSwitchingIsNotAskedFor) {
  std::string many;
  for (int i = 0; i < kMaxInterimResponses; ++i) many += "HTTP/1.1 100 Continue\r\n\r\n";
  const std::string last = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  EXPECT_EQ(Read(many + last).state, State::kComplete);
  EXPECT_EQ(Read(many + "HTTP/1.1 102 Processing\r\n\r\n" + last).outcome(), Outcome::kHeaderLimit);
  EXPECT_EQ(Read("HTTP/1.1 101 Switching Protocols\r\n\r\n").outcome(), Outcome::kMalformedResponse);
}

TEST(Response, WhatIsNotHttpIsSeenAtOnce) {
  for (const std::string_view bad : {"SSH-2.0-OpenSSH_9.2\r\n",
                                     "220 mail.test ESMTP\r\n",
                                     "<html>",
                                     "ICY 200 OK\r\n\r\n",
                                     "http/1.1 200 OK\r\n\r\n",
                                     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                                     "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
                                     " HTTP/1.1 200 OK\r\n\r\n",
                                     "HTTP/3.0 200 OK\r\n\r\n",
                                     "HTTP/1.2 200 OK\r\n\r\n",
                                     "HTTP/1.1 20 OK\r\n\r\n",
                                     "HTTP/1.1 2000 OK\r\n\r\n",
                                     "HTTP/1.1 099 Low\r\n\r\n",
                                     "HTTP/1.1  200 OK\r\n\r\n",
                                     "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
                                     "HTTP/1.1 200 OK\r\nName : value\r\n\r\n",
                                     "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\n",
                                     "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
                                     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
                                     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
                                     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nhello",
                                     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n"}) {
    const Read read(bad);
    EXPECT_EQ(read.state, State::kFailed) << bad;
    EXPECT_EQ(read.outcome(), Outcome::kMalformedResponse) << bad;
    EXPECT_NE(read.reason(), "") << bad;
  }
  const Read tls("\x15\x03\x01\x00\x02\x02\x46");
  EXPECT_NE(tls.reason().find("https://"), std::string::npos) << tls.reason();
}

TEST(Response, ALineEndsWithCarriageReturnAndNewlineAlone) {
  for (const std::string_view bad :
       {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "HTTP/1.1 200 OK\rContent-Length: 0\r\r",
        "HTTP/1.1 200 OK\r\nX: a\rb", "HTTP/1.1 200 OK\r\nX: a\nY: b", "HTTP/1.1 200 OK\r\nX: a\r\r\n"}) {
    for (const std::size_t piece : {std::size_t{1}, bad.size()}) {
      const Read read(bad, false, kLimit, piece);
      EXPECT_EQ(read.outcome(), Outcome::kMalformedResponse) << bad << read.reason();
    }
  }
}

TEST(Response, AFoldedFieldIsOneLineUnlessItIsAboutTheLength) {  // RFC 9112 §5.2
  const Read read(
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain;\r\n\t charset=a\r\nX: y\r\n z\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(read.state, State::kComplete) << read.reason();
  EXPECT_EQ(read.reader.content_type(), "text/plain; charset=a");
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n 0\r\n\r\n").outcome(), Outcome::kMalformedResponse);
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n ,x\r\n\r\n").outcome(),
            Outcome::kMalformedResponse);
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\n X: y\r\n\r\n").outcome(), Outcome::kMalformedResponse);
}

TEST(Response, EqualLengthsAreOneAndAnImpossibleOneIsOverTheLimit) {
  const std::string start = "HTTP/1.1 200 OK\r\n";
  for (const std::string_view same : {"Content-Length: 5, 5\r\n", "Content-Length: 5\r\nContent-Length: 5\r\n"}) {
    EXPECT_EQ(Read(start + std::string(same) + "\r\nhello").state, State::kComplete) << same;
  }
  for (const std::string_view bad : {"-1", "+5", "0x10", "5abc", "", "5,", "5,6", "5 5"}) {
    EXPECT_EQ(Read(start + "Content-Length: " + std::string(bad) + "\r\n\r\n").outcome(), Outcome::kMalformedResponse)
        << bad;
  }
  for (const std::string_view huge : {"9223372036854775808", "18446744073709551616", "18446744073709551621"}) {
    const Read read(start + "Content-Length: " + std::string(huge) + "\r\n\r\n");
    EXPECT_EQ(read.outcome(), Outcome::kHeaderLimit) << huge;
    EXPECT_EQ(read.reason(), "the response announces a body of 2^63 bytes or more");
  }
}

TEST(Response, OnlyChunkedAloneIsATransferCoding) {
  for (const std::string_view bad : {"xchunked", "chunked, identity", "chunked, chunked", "gzip, chunked", "identity",
                                     "chunked\r\nTransfer-Encoding: chunked", "chunked\r\nContent-Length: 5"}) {
    const Read read("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + std::string(bad) + "\r\n\r\n0\r\n\r\n");
    EXPECT_EQ(read.outcome(), Outcome::kMalformedResponse) << bad;
  }
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked \r\n\r\n0\r\n\r\n").state, State::kComplete);
}

TEST(Response, AChunkIsWhatItSaysItIs) {
  const std::string start = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string_view bad : {"-2\r\n", "0x5\r\nhello\r\n", "00000000000000005\r\n", "80000000\r\n", "\r\n",
                                     "hello", "5\r\nhello0\r\n", "5 x\r\nhello\r\n", "5;a\x01\r\n", "3\r\nhello"}) {
    const Read read(start + std::string(bad));
    EXPECT_EQ(read.outcome(), Outcome::kMalformedResponse) << bad;
  }
  EXPECT_EQ(Read(start + "005 ; a=b\r\nhello\r\n0\r\n\r\n").reader.body(), "hello");
}

TEST(Response, ThePlaceOfTheReasonMayBeEmptyAndNothingElseMayBeLoose) {
  EXPECT_EQ(Read("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n").reader.status(), 200);
  EXPECT_EQ(Read("HTTP/1.1 200 caf\xE9 \xFF\r\nContent-Length: 0\r\n\r\n").reader.status(), 200);
  for (const std::string_view bad :
       {"HTTP/1.1 -1 OK", "HTTP/1.1 000 OK", "HTTP/1.1\t200 OK", "HTTP/1.1 200\tOK", "HTTP/1.1 2", "HTTP/1.1",
        "HTTP/1.10 200 OK", "HTTP/1.1 2000", "HTTP/1.1 200 \x1B[2J"}) {
    EXPECT_EQ(Read(std::string(bad) + "\r\n\r\n").outcome(), Outcome::kMalformedResponse) << bad;
  }
}

TEST(Response, TheVersionIsKept) {
  EXPECT_TRUE(Read("HTTP/1.0 200 OK\r\n\r\n").reader.http_1_0());
  EXPECT_FALSE(Read("HTTP/1.1 200 OK\r\n\r\n").reader.http_1_0());
}

TEST(Response, AFieldHasANameAndNoControlCharacter) {
  for (const std::string_view bad : {": v", "a b: v", "a\tb: v", "X: \x00", "X: \x1B[2J", "X: \x7F"}) {
    const std::string line(bad.data(), bad == "X: " ? 4 : bad.size());
    EXPECT_EQ(Read("HTTP/1.1 200 OK\r\n" + line + "\r\n\r\n").outcome(), Outcome::kMalformedResponse) << bad;
  }
  EXPECT_EQ(Read("HTTP/1.1 204 No\r\nX:\ta\xE9\xFF\t \r\nDate: garbage\r\nY:\r\n\r\n").state, State::kComplete);
}

TEST(Response, AHeaderHasAThousandFieldsAtMost) {
  std::string fields;
  for (int i = 0; i < kMaxHeaderFields; ++i) fields += "a:\r\n";
  EXPECT_EQ(Read("HTTP/1.1 204 \r\n" + fields + "\r\n").state, State::kComplete);
  EXPECT_EQ(Read("HTTP/1.1 204 \r\n" + fields + "a:\r\n\r\n").outcome(), Outcome::kHeaderLimit);
  const std::string chunked = "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
  EXPECT_EQ(Read(chunked + fields + "\r\n").state, State::kComplete);
  EXPECT_EQ(Read(chunked + fields + "a:\r\n\r\n").outcome(), Outcome::kHeaderLimit);
}

TEST(Response, InterimHeadersCountWithTheFinalOne) {
  const std::string interim = "HTTP/1.1 103 Early\r\nLink: " + std::string(std::size_t{20} << 10, 'x') + "\r\n\r\n";
  EXPECT_EQ(Read(interim + interim + interim + interim).outcome(), Outcome::kHeaderLimit);
}

TEST(Response, WantedFieldsTheLocationAndTheCodingAreKept) {
  const std::vector<std::string> wanted{"server", "x-a"};
  ResponseReader reader({.body_limit = kLimit, .fields = wanted});
  EXPECT_EQ(reader.feed("HTTP/1.1 103 Early\r\nX-A: early\r\nLocation: /early\r\n\r\n"
                        "HTTP/1.1 302 Found\r\nx-A:  one\r\nLocation: /a\r\nSERVER: s\r\nX-B: no\r\nX-A: two\r\n"
                        "location: /b\r\nContent-Encoding: gzip\r\nContent-Encoding: br\r\nContent-Length: 0\r\n\r\n"),
            State::kComplete);
  const auto fields = reader.take_fields();
  ASSERT_EQ(fields.size(), 3U);
  EXPECT_EQ(fields[0].value, "one");
  EXPECT_EQ(fields[1].value, "s");
  EXPECT_EQ(fields[2].value, "two");
  EXPECT_EQ(reader.location(), "/a");
  EXPECT_EQ(reader.content_encoding(), "gzip, br");
}

TEST(Response, TheBeginningIsKeptAsItCameAndNoMore) {
  ResponseReader good({.body_limit = kLimit, .excerpt = 3, .header = 40});
  EXPECT_EQ(good.feed("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel"), State::kMore);
  EXPECT_EQ(good.feed("lo world"), State::kComplete);
  EXPECT_EQ(good.header(), "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
  EXPECT_EQ(good.body(), "hel");
  EXPECT_EQ(good.body_bytes(), 10U);
  ResponseReader cut({.body_limit = kLimit, .header = 20});
  EXPECT_EQ(cut.feed("HTTP/1.1 200 OK\r\nContent-"), State::kMore);
  EXPECT_EQ(cut.header(), "HTTP/1.1 200 OK\r\nCon");
  ResponseReader banner({.body_limit = kLimit, .header = 40});
  EXPECT_EQ(banner.feed("SSH-2.0-OpenSSH_9.2\r\n"), State::kFailed);
  EXPECT_EQ(banner.header(), "SSH-2.0-OpenSSH_9.2\r\n");
}

TEST(Response, AnotherRequestMayFollowOnlyWhatEndedByItsFraming) {
  const auto reusable = [](std::string_view bytes, bool head = false, std::size_t limit = kLimit) {
    const Read read(bytes, head, limit);
    return read.state == State::kComplete && read.reader.reusable();
  };
  EXPECT_TRUE(reusable("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
  EXPECT_TRUE(reusable("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
  EXPECT_TRUE(reusable("HTTP/1.1 204 No\r\n\r\n"));
  EXPECT_TRUE(reusable("HTTP/1.1 200 OK\r\n\r\n", true));
  EXPECT_FALSE(reusable("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_FALSE(reusable("HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_FALSE(reusable("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!")) << "bytes beyond the response";
  EXPECT_FALSE(reusable("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n"));
  EXPECT_FALSE(reusable("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx"));
  EXPECT_FALSE(reusable("HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\nbody"));
  EXPECT_FALSE(reusable("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", true));
  EXPECT_FALSE(reusable("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 3)) << "cut at the limit";
  Read endless("HTTP/1.1 200 OK\r\n\r\nhello");
  EXPECT_EQ(endless.reader.end(true), State::kComplete);
  EXPECT_FALSE(endless.reader.reusable());
}

TEST(Response, ALimitThatIsReachedWhileMoreIsAnnouncedIsNotWaitedAt) {
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123", false, 4).state, State::kComplete);
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123", false, 4).state, State::kComplete);
}

TEST(Response, AnUnusualStatusIsAStatus) {
  EXPECT_EQ(Read("HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n").reader.status(), 999);
  EXPECT_EQ(Read("HTTP/1.1 204 \r\n\r\n").reader.status(), 204);
}

TEST(Response, ATrailerChangesNothing) {
  const Read read(
      "HTTP/1.1 200 OK\r\nContent-Type: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Type: b\r\n"
      "Content-Length: 7\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(read.state, State::kComplete) << read.reason();
  EXPECT_EQ(read.reader.content_type(), "a");
}

TEST(Response, AHugeLengthReservesNothing) {
  const Read read("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\nx");
  EXPECT_EQ(read.state, State::kMore);
  EXPECT_LE(read.reader.body().capacity(), std::size_t{64} << 10);
}

}  // namespace
}  // namespace monitor::probe
