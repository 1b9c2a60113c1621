#include "probe/evidence.h"

#include <chrono>

#include <gtest/gtest.h>

namespace monitor::probe {
namespace {

std::string text(std::string_view head, std::string_view body, const EvidenceOptions& options = {},
                 const Secrets& secrets = {}) {
  RegexPool regexes;
  return evidence_text(head, body, Expectations({std::nullopt, {}, options}, regexes), &secrets);
}

TEST(Evidence, IsTheHeadAndTheBeginningOfTheBody) {
  EXPECT_EQ(text("HTTP/1.1 500 Oh no\r\nServer: x\r\nVary: a\r\n\r\n", "line one\r\nline two\n"),
            "HTTP/1.1 500 Oh no\nServer: x\nVary: a\n\nline one\nline two\n");
  EXPECT_EQ(text("HTTP/1.1 204 \r\n\r\n", ""), "HTTP/1.1 204 ");
  EXPECT_EQ(text("HTTP/1.1 200 OK\r\nServ", ""), "HTTP/1.1 200 OK\nServ") << "as far as it came";
  EXPECT_EQ(text("HTTP/1.1 200 OK\r\n\r\n", "0123456789", {.bytes = 4}), "HTTP/1.1 200 OK\n\n0123");
  EXPECT_EQ(text("HTTP/1.1 200 OK\r\n\r\n", "0123456789", {.bytes = 0}), "HTTP/1.1 200 OK");
  EXPECT_EQ(text("", ""), "");
  EXPECT_EQ(text("HTTP/1.1 200 OK\r\n\r\n", "body", {.none = true}), "");
}

TEST(Evidence, NeverShowsCookiesAndCredentials) {
  EXPECT_EQ(text("HTTP/1.1 200 OK\r\nset-cookie: id=1; Path=/\r\nSET-COOKIE : id=2\r\nCookie:\tc\r\n"
                 "Authorization: Basic abc\r\nProxy-Authorization: x\r\nWWW-Authenticate: Basic realm=r\r\n\r\n",
                 ""),
            "HTTP/1.1 200 OK\nset-cookie: ***\nSET-COOKIE : ***\nCookie:\\t***\nAuthorization: ***\n"
            "Proxy-Authorization: ***\nWWW-Authenticate: Basic realm=r");
  EXPECT_EQ(text("HTTP/1.1 200 OK\nSet-Cookie: a\n  b=secret\n\tc\nX: d\n", ""),
            "HTTP/1.1 200 OK\nSet-Cookie: ***\n  ***\n\\t***\nX: d")
      << "nor the lines that continue them";
  EXPECT_EQ(text("HTTP/1.1 200 OK\r\nSet-Cookie: cut of", ""), "HTTP/1.1 200 OK\nSet-Cookie: ***");
  EXPECT_EQ(text("HTTP/1.1 200 OK\r\nSet-Cookie:\r\n\r\n", ""), "HTTP/1.1 200 OK\nSet-Cookie:");
}

TEST(Evidence, NeverShowsWhoLogsInToAUrl) {
  EXPECT_EQ(
      text("HTTP/1.1 302 F\r\nLocation: https://me:se@cret@a.example/b@c\r\nLink: <http://x:y@z>, http://z/@\r\n\r\n",
           ""),
      "HTTP/1.1 302 F\nLocation: https://***@a.example/b@c\nLink: <http://***@z>, http://z/@");
}

TEST(Evidence, RedactsWhatThePatternsMatch) {
  const EvidenceOptions options{.redact = {"token=[^&\\s]+", "(?i)password: .*"}};
  EXPECT_EQ(text("HTTP/1.1 302 F\r\nLocation: /a?token=abc&b=1\r\n\r\n", "PASSWORD: x y\nrest token=\xFF\xFE", options),
            "HTTP/1.1 302 F\nLocation: /a?***&b=1\n\n***\nrest ***");
}

TEST(Evidence, RedactsOurOwnSecrets) {
  const Secrets secrets{"hunter22", "abc", "hunter22more"};
  EXPECT_EQ(text("HTTP/1.1 200 hunter22\r\n\r\n", "you sent hunter22, abc, hunter22more", {}, secrets),
            "HTTP/1.1 200 ***\n\nyou sent ***, abc, ***")
      << "one of three letters is everywhere";
}

TEST(Evidence, ASecretAtTheEdgeIsNotShownByHalf) {
  const Secrets secrets{"secret-token"};
  const EvidenceOptions options{.bytes = 10, .redact = {"key=\\w+"}};
  EXPECT_EQ(text("", "01234secret-token", options, secrets), "\n\n01234***");
  EXPECT_EQ(text("", "01234secret-tok", options, secrets), "\n\n01234***") << "cut off where it was read";
  EXPECT_EQ(text("", "01234key=abcdefghij", options, secrets), "\n\n01234***");
  // What is hidden does not bring more of the body into view.
  EXPECT_EQ(text("", "key=aaaaaaaa rest", options, secrets), "\n\n***");
  EXPECT_EQ(text("", "key=a 678 rest", options, secrets), "\n\n*** 678 ");
}

TEST(Evidence, IsInertAndStorable) {
  EXPECT_EQ(text("HTTP/1.1 200 \x1B[31mred\r\nX: a\rb\r\n\r\n", std::string_view("nul\0 \xFF <b>\u0085</b>", 16)),
            "HTTP/1.1 200 \\x1b[31mred\nX: a\\rb\n\nnul\\x00 \\xff <b>\\xc2\\x85</b>");
}

TEST(Evidence, IsNoLongerThanAllowed) {
  std::string head = "HTTP/1.1 200 OK\r\n";
  while (head.size() < kEvidenceHeadWindow) head += "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n";
  EXPECT_LE(text(head, "").size(), kMaxEvidenceHead);
  EXPECT_GT(text(head, "").size(), kMaxEvidenceHead - 1000);
  const std::string zeros(5000, '\x01');
  EXPECT_LE(text("", zeros, {.bytes = 1000}).size(), 1002U) << "also once it is escaped";
}

TEST(Evidence, ACostlyPatternHidesTheRestInsteadOfStandingStill) {
  std::string body;
  while (body.size() < (std::size_t{64} << 10)) body += "key";
  const auto begin = std::chrono::steady_clock::now();
  const auto out = text("", body + "!", {.bytes = std::size_t{64} << 10, .redact = {"e(.*secret)?"}});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{2});
  EXPECT_TRUE(out.starts_with("\n\nk***yk***y"));
  EXPECT_TRUE(out.ends_with("***")) << out.substr(out.size() - 20);
}

TEST(Redaction, IsSoonDoneWithAPatternThatIsCostlyItself) {
  RegexPool regexes;
  const std::vector<std::shared_ptr<const Regex>> costly{regexes.get("x(.*a.{490}b)?")};
  const Redaction redaction(nullptr, costly);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(redaction.conceal(std::string(2000, 'x')), "***") << "what was not searched is not shown";
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds{500});
  EXPECT_EQ(redaction.conceal("a sentence of some words, and one more with an x"),
            "a sentence of some words, and one more with an ***");
}

TEST(Redaction, JoinsWhatOverlaps) {
  std::vector<Span> spans{{5, 7}, {0, 2}, {6, 9}, {2, 3}, {20, 21}, {5, 6}};
  join(spans);
  EXPECT_EQ(spans, (std::vector<Span>{{0, 3}, {5, 9}, {20, 21}}));
  std::vector<Span> none;
  join(none);
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(masked("0123456789", 10, {{0, 3}, {5, 9}}), "***34***9");
  EXPECT_EQ(masked("0123456789", 6, {{0, 3}, {5, 9}}), "***34***");
  EXPECT_EQ(masked("0123456789", 4, {{0, 3}, {5, 9}}), "***3");
  EXPECT_EQ(masked("abc", 10, {}), "abc");
}

}  // namespace
}  // namespace monitor::probe
