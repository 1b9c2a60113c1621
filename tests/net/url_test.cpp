#include "net/url.h"

#include <gtest/gtest.h>

namespace monitor::net {
namespace {

Url parsed(std::string_view text) {
  auto result = parse_url(text);
  if (const auto* refusal = std::get_if<UrlRefusal>(&result)) {
    ADD_FAILURE() << text << ": " << refusal->sentence;
    return {};
  }
  return std::get<Url>(std::move(result));
}

std::string refused(std::string_view text) {
  auto result = parse_url(text);
  const auto* refusal = std::get_if<UrlRefusal>(&result);
  return refusal == nullptr ? std::string{} : refusal->sentence;
}

TEST(Url, TakesApartWhatARequestNeeds) {
  const auto url = parsed("https://www.example.com:8443/a/b?c=d#fragment");
  EXPECT_TRUE(url.tls);
  EXPECT_EQ(url.host, "www.example.com");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.authority, "www.example.com:8443");
  EXPECT_EQ(url.target, "/a/b?c=d");
  EXPECT_EQ(url.endpoint(), "www.example.com:8443");
  EXPECT_FALSE(url.literal);
}

TEST(Url, TheDefaultPortIsNotInTheHostField) {
  EXPECT_EQ(parsed("http://a.test").authority, "a.test");
  EXPECT_EQ(parsed("http://a.test:80/").authority, "a.test");
  EXPECT_EQ(parsed("http://a.test:/").port, 80);
  EXPECT_EQ(parsed("https://a.test:443/").authority, "a.test");
  EXPECT_EQ(parsed("https://a.test:80/").authority, "a.test:80");
  EXPECT_EQ(parsed("https://a.test").endpoint(), "a.test:443");
}

TEST(Url, AMissingPathIsTheRoot) {
  EXPECT_EQ(parsed("http://a.test").target, "/");
  EXPECT_EQ(parsed("http://a.test?x=1").target, "/?x=1");
  EXPECT_EQ(parsed("http://a.test#top").target, "/");
}

TEST(Url, EncodesWhatRfc3986ForbidsAndKeepsWhatIsEscaped) {
  EXPECT_EQ(parsed("http://a.test/a b?a[]=1|2").target, "/a%20b?a%5B%5D=1%7C2");
  EXPECT_EQ(parsed("http://a.test/%2f%zz%").target, "/%2f%25zz%25");
  EXPECT_EQ(parsed("http://a.test/ä").target, "/%C3%A4");
  EXPECT_EQ(parsed("http://a.test/-._~!$&'()*+,;=:@/?q?").target, "/-._~!$&'()*+,;=:@/?q?");
}

TEST(Url, AnInternationalNameBecomesALabels) {
  EXPECT_EQ(parsed("http://Bücher.example/").host, "xn--bcher-kva.example");
  EXPECT_EQ(parsed("http://Bücher.example/").authority, "xn--bcher-kva.example");
  EXPECT_EQ(parsed("http://WWW.Example.COM/").host, "www.example.com");
  EXPECT_NE(refused("http://a\xFF.test/"), "");
}

TEST(Url, KnowsLiteralAddresses) {
  const auto v6 = parsed("http://[2001:DB8::1]:8080/");
  ASSERT_TRUE(v6.literal);
  EXPECT_EQ(v6.host, "2001:db8::1");
  EXPECT_EQ(v6.authority, "[2001:db8::1]:8080");
  EXPECT_EQ(parsed("https://[::1]/").authority, "[::1]");
  EXPECT_TRUE(parsed("http://192.0.2.1/").literal);
  EXPECT_NE(refused("http://192.0.2.256/"), "");
  EXPECT_NE(refused("http://[::1/"), "");
  EXPECT_NE(refused("http://[::1]x/"), "");
  EXPECT_NE(refused("http://[fe80::1%25eth0]/"), "");
}

TEST(Url, UserAndPasswordBecomeABasicAuthorization) {
  const auto url = parsed("http://user:p%40ss@a.test/");
  EXPECT_EQ(url.authorization, "Basic dXNlcjpwQHNz");  // user:p@ss
  EXPECT_EQ(url.authority, "a.test");
  EXPECT_EQ(parsed("http://user@a.test/").authorization, "Basic dXNlcjo=");
  EXPECT_EQ(parsed("http://a:b@c@a.test/").authorization, "Basic YTpiQGM=");
  EXPECT_EQ(parsed("http://a.test/@").authorization, "");
  EXPECT_EQ(parsed("http://@a.test/").authorization, "");
}

TEST(Url, RefusesWhatNoServerIsCalled) {
  EXPECT_NE(refused("ftp://a.test/"), "");
  EXPECT_NE(refused("a.test"), "");
  EXPECT_NE(refused(""), "");
  EXPECT_NE(refused("http://"), "");
  EXPECT_NE(refused("http:///path"), "");
  EXPECT_NE(refused("http://:80/"), "");
  EXPECT_NE(refused("http://a..test/"), "");
  EXPECT_NE(refused("http://.test/"), "");
  EXPECT_NE(refused("http://a b/"), "");
  EXPECT_NE(refused("http://a\\b/"), "");
  EXPECT_NE(refused("http://example.com%2F10.0.0.1/"), "");
  EXPECT_NE(refused("http://" + std::string(64, 'a') + ".test/"), "");
  EXPECT_EQ(refused("http://a.test./"), "");
  EXPECT_EQ(refused("http://_sip.a.test/"), "");
  EXPECT_EQ(refused("HTTP://a.test/"), "");
}

TEST(Url, RefusesTheOldWaysToWriteAnIpv4Address) {
  for (const auto* host : {"2130706433", "0x7f000001", "0X7F000001", "0x7f.1", "127.1", "0177.0.0.1", "127.0.0.0x1",
                           "127.0.0.1.", "1.2.3.4.5", "0x", "%31%32%37.0.0.1"}) {
    EXPECT_NE(refused(std::string("http://") + host + "/"), "") << host;
  }
  EXPECT_EQ(refused("http://0x7f.test/"), "");
  EXPECT_EQ(refused("http://0xyz/"), "");
}

TEST(Url, WhatBecomesADelimiterInAsciiIsRefused) {
  EXPECT_NE(refused("http://a.test\uFF0F10.0.0.1/"), "");  // FULLWIDTH SOLIDUS
  EXPECT_NE(refused("http://a.test\uFF1A80/"), "");
  EXPECT_NE(refused("http://a\uFF20b.test/"), "");
}

TEST(Url, RefusesControlCharactersAnywhere) {
  EXPECT_NE(refused("http://a.test/\r\nX: y"), "");
  EXPECT_NE(refused("http://a.test/\x7F"), "");
  EXPECT_NE(refused(std::string_view("http://a.test/\0", 15)), "");
  EXPECT_NE(refused("http://a\n.test/"), "");
}

TEST(Url, APortIsANumberFrom1To65535) {
  for (const auto* bad : {"0", "65536", "-1", "x", "80x", "+80", "99999999999"}) {
    EXPECT_NE(refused(std::string("http://a.test:") + bad + "/"), "") << bad;
  }
  EXPECT_EQ(parsed("http://a.test:65535/").port, 65535);
}

TEST(Url, ARefusalNeverQuotesAPassword) {
  for (const auto* text : {"http://user:s3cret/x@a.test/", "http://user:s3cret@a..test/", "http://user:s3cret#@a.test/",
                           "http://user:s3cret@a.test:99999/", "http://user:s3cret@\xFF/"}) {
    EXPECT_NE(refused(text), "") << text;
    EXPECT_EQ(refused(text).find("s3cret"), std::string::npos) << refused(text);
  }
}

}  // namespace
}  // namespace monitor::net
