#include "probe/redirect.h"

#include <gtest/gtest.h>

namespace monitor::probe {
namespace {

using common::Outcome;

net::Url url(const std::string& text) {
  return std::get<net::Url>(net::parse_url(text));
}

struct Sent {
  std::string from = "https://a.test/x/y?z";
  std::string_view method = "GET";  ///< what is decided may refer to it
  bool has_body = false;
  std::uint16_t status = 302;
  std::string first;  ///< empty: `from`
};

std::variant<Redirect, Judgement> decide(const std::optional<std::string>& location, const Sent& sent = {}) {
  const auto from = url(sent.from);
  const auto first = url(sent.first.empty() ? sent.from : sent.first);
  return decide_redirect({first, from, sent.method, sent.has_body, sent.status, location});
}

Redirect follow(const std::string& location, const Sent& sent = {}) {
  auto decided = decide(location, sent);
  if (const auto* refusal = std::get_if<Judgement>(&decided)) ADD_FAILURE() << location << ": " << refusal->reason;
  return std::holds_alternative<Redirect>(decided) ? std::get<Redirect>(decided) : Redirect{};
}

std::string refusal(const std::optional<std::string>& location, const Sent& sent = {}) {
  const auto decided = decide(location, sent);
  const auto* refused = std::get_if<Judgement>(&decided);
  if (refused == nullptr) return "followed";
  EXPECT_EQ(refused->outcome, Outcome::kRedirectRefused);
  return refused->reason;
}

TEST(Redirect, FiveStatusesAreOne) {
  for (int status = 100; status <= 999; ++status) {
    const bool expected = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    EXPECT_EQ(is_redirect(static_cast<std::uint16_t>(status)), expected) << status;
  }
}

TEST(Redirect, TheMethodAndTheBodyFollowTheStatus) {
  struct Case {
    std::uint16_t status;
    std::string method, next;
    bool keeps;
  };
  for (const auto& [status, method, next, keeps] : std::vector<Case>{{301, "POST", "GET", false},
                                                                     {302, "POST", "GET", false},
                                                                     {303, "POST", "GET", false},
                                                                     {303, "PUT", "GET", false},
                                                                     {303, "HEAD", "HEAD", false},
                                                                     {303, "GET", "GET", false},
                                                                     {301, "HEAD", "HEAD", true},
                                                                     {302, "PUT", "PUT", true},
                                                                     {301, "GET", "GET", true},
                                                                     {307, "POST", "POST", true},
                                                                     {308, "POST", "POST", true},
                                                                     {308, "DELETE", "DELETE", true}}) {
    const auto made = follow("/next", {.method = method, .has_body = true, .status = status});
    EXPECT_EQ(made.method, next) << status << method;
    EXPECT_EQ(made.keeps_body, keeps) << status << method;
  }
  EXPECT_FALSE(follow("/next", {.method = "POST", .status = 307}).keeps_body) << "there is none";
}

TEST(Redirect, TheOriginIsSchemeHostAndPortOfTheFirstRequest) {
  EXPECT_TRUE(follow("/other").original);
  EXPECT_TRUE(follow("https://A.test:443/").original);
  EXPECT_FALSE(follow("https://a.test:8443/").original);
  EXPECT_FALSE(follow("https://b.test/").original);
  EXPECT_FALSE(follow("https://a.test/", {.from = "http://a.test/"}).original);
  EXPECT_TRUE(follow("https://a.test/", {.from = "https://b.test/", .first = "https://a.test/"}).original);
  EXPECT_FALSE(follow("/x", {.from = "https://b.test/", .first = "https://a.test/"}).original);
}

TEST(Redirect, ALocationIsSeenFromWhereItCame) {
  EXPECT_EQ(follow("z").url.target, "/x/z");
  EXPECT_EQ(follow("?q").url.target, "/x/y?q");
  EXPECT_EQ(follow("//b.test/p").url.host, "b.test");
  EXPECT_TRUE(follow("//b.test/p").url.tls);
  EXPECT_EQ(follow("/a?u=%0d%0aX:1").url.target, "/a?u=%0d%0aX:1") << "never decoded";
}

TEST(Redirect, WhatCannotOrMustNotBeFollowedIsRefusedWithASentence) {
  const std::string who = "the redirect (status 302) of a.test:443 was not followed: ";
  EXPECT_EQ(refusal(std::nullopt), who + "it has no Location");
  EXPECT_EQ(refusal(""), who + "the Location is empty");
  EXPECT_EQ(refusal("http://a.test/?t=s3cret"),
            who + "it leads from https to http://a.test/?t=***, which is not encrypted");
  for (const std::string location :
       {"file:///etc/passwd", "gopher://a.test/", "ftp://a.test/", "javascript:alert(1)"}) {
    EXPECT_NE(refusal(location).find("only http and https are followed"), std::string::npos) << refusal(location);
  }
  EXPECT_NE(refusal("https://user:pw@a.test/").find("user or a password"), std::string::npos);
  EXPECT_EQ(refusal("https://user:s3cret@a.test/").find("s3cret"), std::string::npos);
  EXPECT_NE(refusal("/" + std::string(2083, 'x')).find("2084 characters"), std::string::npos);
  EXPECT_NE(refusal("https://a.test%2F10.0.0.1/").find("percent-encoded"), std::string::npos);
  EXPECT_NE(refusal("https://").find("no host"), std::string::npos);
  EXPECT_NE(refusal("https://a.test:0/").find("port"), std::string::npos);
}

TEST(Redirect, ABodyGoesToNoOtherOrigin) {
  const Sent post{.method = "POST", .has_body = true, .status = 307};
  EXPECT_EQ(refusal("https://b.test/in", post),
            "the redirect (status 307) of a.test:443 was not followed: it asks for the body to be sent to another "
            "origin, https://b.test/in");
  EXPECT_EQ(follow("https://b.test/in", {.method = "POST", .status = 307}).method, "POST") << "there is none to send";
  EXPECT_EQ(follow("https://b.test/in", {.method = "POST", .has_body = true, .status = 303}).method, "GET");
}

TEST(Trail, ACircleAndTooManyAreSeen) {
  Trail trail(2);
  EXPECT_FALSE(trail.enter(url("http://a.test/1"), "POST"));
  EXPECT_FALSE(trail.enter(url("http://a.test/1"), "GET")) << "another method is another request";
  const auto circle = trail.enter(url("http://a.test/1"), "GET");
  ASSERT_TRUE(circle);
  EXPECT_EQ(circle->outcome, Outcome::kRedirectLimit);
  EXPECT_EQ(circle->reason, "the redirects lead in a circle, back to http://a.test/1");
  EXPECT_FALSE(trail.enter(url("http://a.test/2"), "GET"));
  const auto many = trail.enter(url("http://a.test/3?secret"), "GET");
  ASSERT_TRUE(many);
  EXPECT_EQ(many->outcome, Outcome::kRedirectLimit);
  EXPECT_EQ(many->reason, "more than 2 redirects came, the last one to http://a.test/3?***");
}

}  // namespace
}  // namespace monitor::probe
