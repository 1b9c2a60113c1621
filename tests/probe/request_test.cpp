#include "probe/request.h"

#include <variant>

#include <gtest/gtest.h>

#include "probe/typed.h"

namespace monitor::probe {
namespace {

net::Url url(const std::string& text) {
  return std::get<net::Url>(net::parse_url(text));
}

HeaderField field(std::string name, std::string value) {
  return {std::move(name), common::Secret(std::move(value))};
}

TEST(Request, WhatAServiceSaysReplacesWhatWeSay) {
  const std::vector<HeaderField> fields{field("user-agent", "us"), field("X-Token", "t"), field("HOST", "other.test"),
                                        field("Accept", "application/json")};
  EXPECT_EQ(write_request_head({"GET", url("http://a.test/x?y"), fields, ""}),
            "GET /x?y HTTP/1.1\r\nuser-agent: us\r\nX-Token: t\r\nHOST: other.test\r\nAccept: application/json\r\n"
            "Connection: close\r\n\r\n");
}

TEST(Request, ABodyIsAnnouncedWithAnyMethodAndSomeMethodsAnnounceNone) {
  const auto length = [](std::string_view method, std::size_t bytes) {
    const auto text = write_request_head({method, url("http://a.test/"), {}, "", bytes, false});
    const auto at = text.find("Content-Length: ");
    return at == std::string::npos ? std::string("none") : text.substr(at + 16, text.find("\r\n", at) - at - 16);
  };
  EXPECT_EQ(length("GET", 0), "none");
  EXPECT_EQ(length("DELETE", 0), "none");
  EXPECT_EQ(length("GET", 7), "7");
  EXPECT_EQ(length("POST", 0), "0");
  EXPECT_EQ(length("PATCH", 12), "12");
}

TEST(Request, CompressionAndTheEndOfTheConnectionAreAskedForOnlyWhenWanted) {
  const auto text = write_request_head({"GET", url("http://a.test/"), {}, "Bearer t", 0, false, true});
  EXPECT_NE(text.find("Accept-Encoding: gzip, deflate\r\n"), std::string::npos) << text;
  EXPECT_NE(text.find("Authorization: Bearer t\r\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("Connection"), std::string::npos) << text;
}

TEST(Request, CredentialsAreEncoded) {
  EXPECT_EQ(basic_authorization("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");  // RFC 7617 §2
  EXPECT_EQ(basic_authorization("a", ""), "Basic YTo=");
  EXPECT_EQ(form_encoded("a b+c/ä*"), "a+b%2Bc%2F%C3%A4*");
}

TEST(Request, OnlyWhatDoesTheSameTwiceIsIdempotent) {
  for (const auto& method : allowed_methods()) {
    EXPECT_EQ(is_idempotent(method_on_the_wire(method)), method != "POST" && method != "PATCH") << method;
  }
  EXPECT_EQ(method_on_the_wire("OPTION"), "OPTIONS");
}

TEST(RequestRules, AHeaderIsATokenAndOneLine) {
  EXPECT_FALSE(refuse_header("X-Token", "caf\xC3\xA9; a=b"));
  EXPECT_FALSE(refuse_header("Host", "a.test"));
  EXPECT_EQ(refuse_header("", "x"), "the header has no name");
  for (const std::string_view name : {"a b", "a:b", "caf\xC3\xA9", "a\r\nb", "(a)"}) {
    EXPECT_EQ(refuse_header(name, "x"),
              "the header's name holds a character that no name has: use letters, digits and '-'");
  }
  for (const std::string_view value : {"a\r\nX: b", "a\nb", "a\tb", "a\x7F", "\x1B[2J"}) {
    EXPECT_EQ(refuse_header("X-A", value), "the value of X-A holds a control character: write it on one line");
  }
  EXPECT_TRUE(refuse_header("X-A", std::string_view("a\0b", 3)));
  EXPECT_TRUE(refuse_header(std::string(257, 'a'), "x"));
  EXPECT_TRUE(refuse_header("X-A", std::string(8001, 'a')));
}

TEST(RequestRules, WhatFramesTheMessageIsForUsToSay) {
  for (const std::string_view name : {"Connection", "content-length", "Transfer-Encoding", "TE", "Trailer", "Upgrade",
                                      "Expect", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization"}) {
    const auto why = refuse_header(name, "x");
    ASSERT_TRUE(why) << name;
    EXPECT_NE(why->find("is for us to say"), std::string::npos) << *why;
  }
}

TEST(RequestRules, CredentialsAndTokensHoldNothingThatBreaksALine) {
  EXPECT_FALSE(refuse_credentials("user", "p: ss wörd"));
  EXPECT_TRUE(refuse_credentials("a:b", "x"));
  EXPECT_TRUE(refuse_credentials("a\n", "x"));
  EXPECT_TRUE(refuse_credentials("a", "x\r\ny"));
  EXPECT_FALSE(refuse_token("abc.DEF-123_~+/=="));
  for (const std::string_view token : {"", "a b", "a\r\nb", "\xC3\xA9"}) EXPECT_TRUE(refuse_token(token)) << token;
}

TEST(RequestRules, AProxyAndAPlaceAreHostAndPort) {
  EXPECT_FALSE(refuse_proxy("http://user:pass@proxy.test:3128"));
  EXPECT_FALSE(refuse_proxy("http://[::1]:3128/"));
  EXPECT_TRUE(refuse_proxy("https://proxy.test:3128"));
  EXPECT_TRUE(refuse_proxy("socks5://proxy.test:1080"));
  EXPECT_TRUE(refuse_proxy("http://proxy.test:3128/path"));
  EXPECT_FALSE(refuse_place({"10.0.0.1", 80}));
  EXPECT_FALSE(refuse_place({"::1", 8443}));
  EXPECT_FALSE(refuse_place({"backend.test", 1}));
  EXPECT_TRUE(refuse_place({"backend.test", 0}));
  EXPECT_TRUE(refuse_place({"a/b", 80}));
  EXPECT_TRUE(refuse_place({"a@b", 80}));
  EXPECT_TRUE(refuse_place({"", 80}));
}

TEST(Typed, WhatAnExpansionBecameIsKnownFromWhatStandsAroundIt) {
  using Values = std::vector<std::string>;
  EXPECT_EQ(expanded_values("https://${HOST}/a?t=${TOKEN}", "https://h.test/a?t=s3cret"), (Values{"h.test", "s3cret"}));
  EXPECT_EQ(expanded_values("http://a/${X}${Y}", "http://a/xy"), (Values{"xy"}));
  EXPECT_EQ(expanded_values("http://a/", "http://a/"), Values{});
  EXPECT_EQ(expanded_values("http://a/${X", "http://a/x"), Values{});
  Service service;
  service.url = "http://user:${PASSWORD}@a.test/";
  service.target = "http://user:s3cret@a.test/";
  EXPECT_EQ(typed_secrets(service), (Values{"s3cret", "s3cret"}));
}

}  // namespace
}  // namespace monitor::probe
