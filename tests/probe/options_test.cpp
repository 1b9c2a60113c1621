#include "probe/options.h"

#include <gtest/gtest.h>

namespace monitor::probe {
namespace {

Service service(const std::string& url, const std::string& method = "GET") {
  Service out;
  out.url = out.target = url;
  out.method = method;
  return out;
}

TEST(Service, ItsNameIsItsKey) {
  auto one = service("http://a.test/");
  one.name = "front page";
  EXPECT_EQ(one.key(), "front page");
  EXPECT_EQ(one.label(), "front page");
}

TEST(Service, WithoutANameTheKeyIsWhatItAsksFor) {
  const auto one = service("http://a.test/");
  auto slower = one;
  slower.timeout = std::chrono::seconds{99};
  slower.interval = std::chrono::seconds{99};
  EXPECT_EQ(one.key(), slower.key());
  EXPECT_NE(one.key(), service("http://a.test/", "HEAD").key());
  EXPECT_NE(one.key(), service("http://a.test/x").key());
  auto searching = one;
  searching.regex = "ok";
  EXPECT_NE(one.key(), searching.key());
  const auto key = searching.key();
  searching.check_regex = true;
  EXPECT_NE(key, searching.key());
  EXPECT_EQ(one.label(), "GET http://a.test/");
}

TEST(Service, ThePredecessorsSpellingOfOptionsIsTheSameService) {
  EXPECT_EQ(service("http://a.test/", "OPTION").key(), service("http://a.test/", "OPTIONS").key());
}

TEST(Service, NeitherKeyNorLabelHoldsAPassword) {
  const auto one = service("http://user:s3cret@a.test/");
  EXPECT_EQ(one.key().find("s3cret"), std::string::npos);
  EXPECT_EQ(one.label(), "GET http://a.test/");
}

TEST(Service, TheLogDoesNotTellTheValuesOfAQuery) {
  auto one = service("http://user:s3cret@a.test/p?token=s3cret&x=s3cret");
  EXPECT_EQ(one.log_label(), "GET http://a.test/p?token=***&x=***");
  one.name = "front page";
  EXPECT_EQ(one.log_label(), "front page");
}

TEST(Options, WithoutUserinfoTouchesTheAuthorityAlone) {
  EXPECT_EQ(without_userinfo("http://u:p@a.test:80/x@y?z@"), "http://a.test:80/x@y?z@");
  EXPECT_EQ(without_userinfo("http://a@b@c.test"), "http://c.test");
  EXPECT_EQ(without_userinfo("http://a.test/?mail=x@y"), "http://a.test/?mail=x@y");
  EXPECT_EQ(without_userinfo("nothing"), "nothing");
}

TEST(Options, AMethodIsOneOfTheListInCapitals) {
  for (const auto* good : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "OPTION"}) {
    EXPECT_FALSE(refuse_method(good)) << good;
  }
  for (const auto* bad : {"get", "Get", "", "CONNECT", "GET ", "FETCH"}) {
    const auto why = refuse_method(bad);
    ASSERT_TRUE(why) << bad;
    EXPECT_NE(why->find("GET, HEAD, POST"), std::string::npos) << *why;
  }
}

TEST(Options, AUrlHasAtMost2083Characters) {
  const std::string start = "http://a.test/";
  EXPECT_FALSE(refuse_url(start + std::string(2083 - start.size(), 'x')));
  const auto why = refuse_url(start + std::string(2084 - start.size(), 'x'));
  ASSERT_TRUE(why);
  EXPECT_NE(why->find("2084"), std::string::npos) << *why;
  std::string umlauts = start;
  while (umlauts.size() < start.size() + std::size_t{2} * 2000) umlauts += "ä";
  EXPECT_FALSE(refuse_url(umlauts)) << "characters are counted, not bytes";
}

TEST(Options, AUrlIsOneThatCanBeRequested) {
  EXPECT_FALSE(refuse_url("https://Bücher.example/?a[]=1"));
  EXPECT_TRUE(refuse_url("ftp://a.test/"));
  EXPECT_TRUE(refuse_url("http://"));
}

TEST(Options, ANameIsNotANumber) {
  EXPECT_FALSE(refuse_name("front page 2"));
  EXPECT_FALSE(refuse_name(std::string(200, 'x')));
  EXPECT_TRUE(refuse_name(std::string(201, 'x')));
  EXPECT_TRUE(refuse_name(""));
  EXPECT_TRUE(refuse_name("42"));
  EXPECT_TRUE(refuse_name("a\nb"));
}

}  // namespace
}  // namespace monitor::probe
