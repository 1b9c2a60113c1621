// Regular expressions as RE2 runs them, with what Python's re.search does differently made alike. Safe from any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace monitor::probe {

/// One compiled expression over UTF-8 text; time is linear in the text, and at worst in instructions() too.
class Regex {
 public:
  /// Throws common::UsageError for a pattern that refuse() refuses.
  explicit Regex(std::string_view pattern);
  ~Regex();
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;

  /// Why RE2 does not take `pattern` and what to write instead, or nothing.
  static std::optional<std::string> refuse(std::string_view pattern);

  /// Whether it is found anywhere in `text`, which must be valid UTF-8. As in Python `$` also matches before one final
  /// newline; where the pattern says `\z` the end is the end.
  bool found_in(std::string_view text) const;
  /// Where it is found first at or after `from`: its first byte and the one after its last. `$` is the very end.
  std::optional<std::pair<std::size_t, std::size_t>> find(std::string_view text, std::size_t from) const;
  /// How long the compiled expression is; about 11 for `openapi`, at most some ten thousands.
  std::size_t instructions() const;

 private:
  struct Compiled;
  std::unique_ptr<const Compiled> compiled_;
};

/// Hands out one compiled expression per distinct pattern for as long as somebody holds it. Not thread-safe.
class RegexPool {
 public:
  /// Throws common::UsageError for a pattern that Regex::refuse refuses.
  std::shared_ptr<const Regex> get(const std::string& pattern);
  std::size_t size() const { return pool_.size(); }

 private:
  void forget_unused();
  std::unordered_map<std::string, std::weak_ptr<const Regex>> pool_;
  std::size_t tidy_at_ = 64;
};

}  // namespace monitor::probe
