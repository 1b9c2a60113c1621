// What a token endpoint is asked and what its answer says (RFC 6749 §4.4, §5). Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "probe/options.h"

namespace monitor::probe {

/// Bytes of a token endpoint's answer.
inline constexpr std::size_t kMaxTokenAnswer = std::size_t{64} << 10;
/// A token is given up so long before it ends, so that none ends on its way.
inline constexpr std::chrono::seconds kTokenMargin{30};

struct Token {
  std::string text;
  std::chrono::seconds
      lifetime{};  ///< how long it may be used, kTokenMargin taken off; 5 min unless said, 1 day at most
};

/// The end of a sentence: what is wrong with the answer. Never holds a secret.
struct TokenRefusal {
  std::string what;
};

/// The body of the request: the grant, and the scope if there is one.
std::string token_request_body(const Auth& auth);
std::variant<Token, TokenRefusal> parse_token_answer(std::uint16_t status, std::string_view body);

}  // namespace monitor::probe
