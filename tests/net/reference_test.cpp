#include "net/reference.h"

#include <gtest/gtest.h>

namespace monitor::net {
namespace {

Url base(std::string_view text = "http://a.test/b/c/d?q") {
  return std::get<Url>(parse_url(text));
}

std::string text(const Url& url) {
  return std::string(url.tls ? "https://" : "http://") + url.authority + url.target;
}

std::string resolved(std::string_view location, const Url& from = base()) {
  const auto result = resolve_reference(from, location);
  const auto* const refusal = std::get_if<UrlRefusal>(&result);
  return refusal == nullptr ? text(std::get<Url>(result)) : "refused: " + refusal->sentence;
}

bool is_refused(std::string_view location, const Url& from = base()) {
  return std::holds_alternative<UrlRefusal>(resolve_reference(from, location));
}

TEST(Reference, FollowsTheExamplesOfRfc3986) {  // §5.4.1, without those for other schemes and path parameters
  for (const auto& [location, result] : std::vector<std::pair<std::string, std::string>>{
           {"g", "/b/c/g"},
           {"./g", "/b/c/g"},
           {"g/", "/b/c/g/"},
           {"/g", "/g"},
           {"?y", "/b/c/d?y"},
           {"g?y", "/b/c/g?y"},
           {"#s", "/b/c/d?q"},
           {"g#s", "/b/c/g"},
           {"g?y#s", "/b/c/g?y"},
           {";x", "/b/c/;x"},
           {"g;x=1/./y", "/b/c/g;x=1/y"},
           {".", "/b/c/"},
           {"./", "/b/c/"},
           {"..", "/b/"},
           {"../g", "/b/g"},
           {"../..", "/"},
           {"../../g", "/g"},
           {"../../../../g", "/g"},
           {"/./g", "/g"},
           {"/../g", "/g"},
           {"g.", "/b/c/g."},
           {"..g", "/b/c/..g"},
           {"./g/.", "/b/c/g/"},
           {"g/./h", "/b/c/g/h"},
           {"g/../h", "/b/c/h"},
           {"g?y/../x", "/b/c/g?y/../x"},
       }) {
    EXPECT_EQ(resolved(location), "http://a.test" + result) << location;
  }
}

TEST(Reference, AnotherHostKeepsTheSchemeUnlessItSaysOne) {
  EXPECT_EQ(resolved("//b.test/x"), "http://b.test/x");
  EXPECT_EQ(resolved("//b.test/x", base("https://a.test/")), "https://b.test/x");
  EXPECT_EQ(resolved("HTTPS://B.test:443/x/../y"), "https://b.test/y");
  EXPECT_EQ(resolved("http://b.test:8080?z"), "http://b.test:8080/?z");
  EXPECT_EQ(resolved("/x", base("http://a.test:8080/y")), "http://a.test:8080/x");
  EXPECT_EQ(resolved("x", base("http://[::1]:8080/")), "http://[::1]:8080/x");
  EXPECT_TRUE(is_refused("//"));
  EXPECT_TRUE(is_refused("///x"));
}

TEST(Reference, OtherSchemesAreRefusedByName) {
  EXPECT_EQ(resolved("ftp://a.test/"), "refused: the Location's scheme is ftp, and only http and https are followed");
  for (const auto* location : {"file:///etc/passwd", "gopher://a.test", "javascript:alert(1)", "data:,x", "http:x",
                               "https:/x", "httpx://a.test/", "mailto:x@a.test"}) {
    EXPECT_TRUE(is_refused(location)) << location;
  }
  const auto endless = resolved(std::string(500, 'x') + "://a.test/");
  EXPECT_LT(endless.size(), 200U) << endless;
}

TEST(Reference, WhatCannotBeFollowedIsRefused) {
  for (const auto* location :
       {"", "/a\r\nX: y", "/a\tb", "//a.test\\@b.test/", "//user:secret@b.test/", "//@b.test/", "http://user@b.test/",
        "//example.com%2F10.0.0.1/", "//b.test:0/", "//b.test:99999/", "//2130706433/", "//0x7f000001/", "//[::1"}) {
    EXPECT_TRUE(is_refused(location)) << location;
  }
  EXPECT_TRUE(is_refused(std::string_view("/a\0b", 4)));
  EXPECT_EQ(resolved("//user:secret@b.test/").find("secret"), std::string::npos);
}

TEST(Reference, TheLengthIsBounded) {
  EXPECT_TRUE(is_refused(std::string(kMaxReferenceCharacters + 1, 'x')));
  EXPECT_FALSE(is_refused("/" + std::string(kMaxReferenceCharacters - 100, 'x')));
  // Encoded, it is three times as long.
  EXPECT_TRUE(is_refused("/" + std::string(1000, '|')));
  EXPECT_TRUE(is_refused(std::string(1500, 'y'), base("http://a.test/" + std::string(1000, 'x') + "/")));
}

TEST(Reference, EscapesAreNeverDecodedAndWhatIsForbiddenIsEncoded) {
  EXPECT_EQ(resolved("/%0d%0aX:%20y"), "http://a.test/%0d%0aX:%20y");
  EXPECT_EQ(resolved("/a b|c"), "http://a.test/a%20b%7Cc");
  EXPECT_EQ(resolved("/%2e%2e/x"), "http://a.test/%2e%2e/x");
  EXPECT_EQ(resolved("/\\b.test/"), "http://a.test/%5Cb.test/");
}

TEST(Reference, CredentialsOfTheBaseAreNotHandedOn) {
  const auto result = resolve_reference(base("http://user:secret@a.test/x"), "/y");
  EXPECT_EQ(std::get<Url>(result).authorization, "");
}

TEST(Reference, ShownWithoutWhatMayBeSecret) {
  EXPECT_EQ(shown(base("http://user:secret@a.test/p?token=secret&x=&flag&a=b=c")),
            "http://a.test/p?token=***&x=***&***&a=***");
  EXPECT_EQ(shown(base("https://a.test:8443/p")), "https://a.test:8443/p");
  EXPECT_EQ(shown(base("http://a.test/?")), "http://a.test/?");
  EXPECT_EQ(without_query_values("http://a.test/${P}?t=${T}"), "http://a.test/${P}?t=***") << "any text of a URL";
  EXPECT_EQ(shown(base("http://a.test/?&a=1&")), "http://a.test/?&a=***&");
}

TEST(Reference, AnOriginIsSchemeHostAndPort) {
  EXPECT_TRUE(same_origin(base("http://a.test/x"), base("http://A.test:80/y")));
  EXPECT_FALSE(same_origin(base("http://a.test/"), base("https://a.test/")));
  EXPECT_FALSE(same_origin(base("http://a.test/"), base("http://a.test:8080/")));
  EXPECT_FALSE(same_origin(base("http://a.test/"), base("http://b.test/")));
}

}  // namespace
}  // namespace monitor::net
