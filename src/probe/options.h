// What a check asks for and expects, as the configuration says it. Plain data, and the rules its values must keep.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace monitor::probe {

inline constexpr std::size_t kDefaultBodyLimit = std::size_t{1} << 20;
inline constexpr std::size_t kMaxUrlCharacters = 2083;

/// One monitored endpoint.
struct Service {
  std::string name;    ///< empty: the service is known by its other fields
  std::string url;     ///< as typed, `${NAME}` unexpanded: what is shown and stored (user:password@ never is)
  std::string target;  ///< `url` with `${NAME}` expanded: what is requested; never stored, never logged
  std::string method;  ///< one of allowed_methods(); `OPTION` is the predecessor's spelling of OPTIONS
  bool check_regex = false;
  std::optional<std::string> regex;
  std::chrono::seconds interval{5};
  std::chrono::seconds timeout{15};
  std::size_t body_limit = kDefaultBodyLimit;  ///< bytes of a body that are read and matched

  /// What phase, history and reload go by: the name, or else method + url + check_regex + regex (DESIGN: "Service").
  std::string key() const;
  /// What a person knows it by: the name, or `GET https://…`.
  std::string label() const;
};

const std::vector<std::string>& allowed_methods();

/// Each returns why the value cannot be used and what to write instead, or nothing when it can. No sentence quotes a
/// URL, which may hold a password.
std::optional<std::string> refuse_method(std::string_view method);
/// For the URL with every `${NAME}` expanded (`target`); without an expansion the two are the same.
std::optional<std::string> refuse_url(std::string_view url);
std::optional<std::string> refuse_regex(std::string_view pattern);
std::optional<std::string> refuse_name(std::string_view name);

/// `url` without user and password, for showing and storing.
std::string without_userinfo(std::string_view url);

}  // namespace monitor::probe
