#include "probe/regex.h"

#include <array>
#include <cstdint>

#include <fmt/format.h>
#include <re2/re2.h>

#include "common/error.h"

namespace monitor::probe {
namespace {

// Enough for every expression an operator would write by hand; bounds what a hostile body can make the DFA cache hold.
constexpr std::int64_t kMaxMemory = std::int64_t{1} << 20;

re2::RE2::Options regex_options() {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxMemory);
  return options;
}

struct Rewrite {
  std::string_view begins;  ///< what RE2 stumbles over
  std::string_view what;
  std::string_view instead;
};

constexpr std::array kRewrites{
    Rewrite{"(?=", "a look-ahead",
            "as only finding matters, write what must follow in its place: foo(?=bar) is foobar"},
    Rewrite{"(?!", "a negative look-ahead",
            "write what may follow instead: foo(?!bar) is nearly foo([^b]|b[^a]|ba[^r]|$)"},
    Rewrite{"(?<=", "a look-behind",
            "as only finding matters, write what must come before in its place: (?<=foo)bar is foobar"},
    Rewrite{"(?<!", "a negative look-behind", "write what may come before instead: (?<!-)bar is (^|[^-])bar"},
    Rewrite{"(?>", "an atomic group", "write (?:…), which cannot backtrack either: RE2 is linear"},
    Rewrite{"(?(", "a conditional group", "write both cases as alternatives: (with|without)"},
    Rewrite{"(?#", "a comment", "leave it out"},
    Rewrite{"(?P=", "a back-reference", "repeat the group's own pattern in its place: (?P<q>a|b)x(?P=q) is (axa|bxb)"},
    Rewrite{"\\Z", "\\Z", "write \\z, which is the very end"},
    Rewrite{"\\u", "\\uNNNN", "write \\x{NNNN}, or the character itself"},
    Rewrite{"\\U", "\\UNNNNNNNN", "write \\x{NNNNNNNN}, or the character itself"},
};

bool is_back_reference(std::string_view argument) {
  return argument.size() >= 2 && argument[0] == '\\' && argument[1] >= '1' && argument[1] <= '9';
}

std::string explain(const re2::RE2& broken) {
  const std::string& argument = broken.error_arg();
  if (is_back_reference(argument)) {
    return fmt::format(
        "the regular expression uses the back-reference {}, which RE2 does not have: repeat the group's "
        "own pattern in its place: (a|b)x\\1 is (axa|bxb)",
        argument);
  }
  // RE2 names no more than `(?<` or `(?P`; the pattern itself tells which of them it was.
  for (const auto& rewrite : kRewrites) {
    const bool named =
        !argument.empty() && (rewrite.begins.starts_with(argument) || argument.starts_with(rewrite.begins));
    if (named && broken.pattern().find(rewrite.begins) != std::string::npos) {
      return fmt::format("the regular expression uses {}, which RE2 does not have: {}", rewrite.what, rewrite.instead);
    }
  }
  if (broken.error_code() == re2::RE2::ErrorRepeatSize) {
    return fmt::format("the regular expression repeats too often ({}): at most 1000 times in all", argument);
  }
  if (broken.error_code() == re2::RE2::ErrorPatternTooLarge) {
    return "the regular expression needs more than 1 MiB when compiled: write fewer or shorter repetitions";
  }
  return fmt::format("the regular expression is not valid: {}: see the syntax of RE2", broken.error());
}

}  // namespace

struct Regex::Compiled {
  explicit Compiled(std::string_view pattern)
      : re(re2::StringPiece(pattern.data(), pattern.size()), regex_options()),
        dollar_before_newline(pattern.find('$') != std::string_view::npos &&
                              pattern.find("\\z") == std::string_view::npos) {}
  re2::RE2 re;
  bool dollar_before_newline;
};

Regex::Regex(std::string_view pattern) : compiled_(std::make_unique<const Compiled>(pattern)) {
  if (!compiled_->re.ok()) throw common::UsageError(explain(compiled_->re));
}

Regex::~Regex() = default;

std::optional<std::string> Regex::refuse(std::string_view pattern) {
  const Compiled compiled(pattern);
  if (compiled.re.ok()) return std::nullopt;
  return explain(compiled.re);
}

bool Regex::found_in(std::string_view text) const {
  if (re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), compiled_->re)) return true;
  if (!compiled_->dollar_before_newline || !text.ends_with('\n')) return false;
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size() - 1), compiled_->re);
}

std::optional<std::pair<std::size_t, std::size_t>> Regex::find(std::string_view text, std::size_t from) const {
  re2::StringPiece match;
  const re2::StringPiece all(text.data(), text.size());
  if (!compiled_->re.Match(all, from, all.size(), re2::RE2::UNANCHORED, &match, 1)) return std::nullopt;
  const auto begin = static_cast<std::size_t>(match.data() - text.data());
  return std::pair{begin, begin + match.size()};
}

std::size_t Regex::instructions() const {
  return static_cast<std::size_t>(compiled_->re.ProgramSize());
}

std::shared_ptr<const Regex> RegexPool::get(const std::string& pattern) {
  if (const auto known = pool_.find(pattern); known != pool_.end()) {
    if (auto shared = known->second.lock()) return shared;
  }
  auto fresh = std::make_shared<const Regex>(pattern);
  if (pool_.size() >= tidy_at_) forget_unused();
  pool_[pattern] = fresh;
  return fresh;
}

void RegexPool::forget_unused() {
  std::erase_if(pool_, [](const auto& entry) { return entry.second.expired(); });
  tidy_at_ = std::max<std::size_t>(64, pool_.size() * 2);
}

}  // namespace monitor::probe
