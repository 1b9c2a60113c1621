#include "probe/token.h"

#include <gtest/gtest.h>

namespace monitor::probe {
namespace {

using std::chrono::seconds;

Token accepted(std::string_view body) {
  auto answer = parse_token_answer(200, body);
  if (const auto* refusal = std::get_if<TokenRefusal>(&answer)) ADD_FAILURE() << body << ": " << refusal->what;
  return std::holds_alternative<Token>(answer) ? std::get<Token>(answer) : Token{};
}

std::string refused(std::uint16_t status, std::string_view body) {
  const auto answer = parse_token_answer(status, body);
  const auto* refusal = std::get_if<TokenRefusal>(&answer);
  return refusal == nullptr ? "accepted" : refusal->what;
}

TEST(Token, IsUsedForLessThanItsLifetime) {
  EXPECT_EQ(accepted(R"({"access_token":"abc","token_type":"bearer","expires_in":3600})").text, "abc");
  EXPECT_EQ(accepted(R"({"access_token":"abc","expires_in":3600})").lifetime, seconds{3570});
  EXPECT_EQ(accepted(R"({"access_token":"abc","expires_in":90.5})").lifetime, seconds{60});
  EXPECT_EQ(accepted(R"({"access_token":"abc"})").lifetime, seconds{270}) << "five minutes unless it is said";
  EXPECT_EQ(accepted(R"({"access_token":"abc","expires_in":1e300})").lifetime, seconds{86370}) << "a day at most";
  EXPECT_EQ(accepted(R"({"access_token":"abc","expires_in":5})").lifetime, seconds{0});
}

TEST(Token, AnAnswerThatGivesNoneIsRefusedWithoutShowingIt) {
  EXPECT_EQ(refused(200, "s3cret"), "its answer is not a JSON object");
  EXPECT_EQ(refused(200, R"(["s3cret"])"), "its answer is not a JSON object");
  EXPECT_EQ(refused(200, R"({"token":"s3cret"})"), "its answer has no access_token");
  EXPECT_EQ(refused(200, R"({"access_token":7})"), "its answer has no access_token");
  EXPECT_EQ(refused(200, R"({"access_token":"s3cret\r\nX: y"})"), "the access_token in its answer cannot be sent");
  EXPECT_EQ(refused(200, R"({"access_token":""})"), "the access_token in its answer cannot be sent");
  EXPECT_EQ(refused(200, R"({"access_token":"s3cret","token_type":"mac"})"),
            "the token it gives is not a bearer token");
  for (const std::string_view lasts : {"-1", "\"3600\"", "null"}) {
    EXPECT_EQ(refused(200, R"({"access_token":"s3cret","expires_in":)" + std::string(lasts) + "}"),
              "the expires_in in its answer is not a number of seconds")
        << lasts;
  }
  EXPECT_EQ(refused(200, std::string(40'000, '[')), "its answer is not a JSON object");
}

TEST(Token, AnErrorIsNamedByItsCodeAlone) {
  EXPECT_EQ(refused(401, R"({"error":"invalid_client","error_description":"s3cret"})"),
            "it answered with status 401 (invalid_client)");
  EXPECT_EQ(refused(400, R"({"error":"S3cret!"})"), "it answered with status 400");
  EXPECT_EQ(refused(500, "oops"), "it answered with status 500");
  EXPECT_EQ(refused(302, ""), "it answered with status 302");
}

TEST(Token, TheRequestNamesGrantAndScope) {
  EXPECT_EQ(token_request_body({}), "grant_type=client_credentials");
  EXPECT_EQ(token_request_body({.scope = "read a&b"}), "grant_type=client_credentials&scope=read+a%26b");
}

}  // namespace
}  // namespace monitor::probe
