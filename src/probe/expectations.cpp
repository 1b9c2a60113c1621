#include "probe/expectations.h"

#include <algorithm>
#include <functional>

#include "common/error.h"
#include "probe/evidence.h"

namespace monitor::probe {
namespace {

constexpr std::uint16_t kLowestGood = 200, kHighestGood = 399;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

std::uint8_t nibble(char digit) {
  const char c = lower(digit);
  return static_cast<std::uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10);
}

std::optional<Expectations::Sha256> parse_sha256(const std::string& digits) {
  if (digits.empty()) return std::nullopt;
  if (const auto why = refuse_sha256(digits)) throw common::UsageError(*why);
  Expectations::Sha256 out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<std::uint8_t>(nibble(digits[2 * i]) << 4U | nibble(digits[2 * i + 1]));
  }
  return out;
}

std::vector<Expectations::Pattern> compile(const std::vector<std::string>& patterns, RegexPool& regexes) {
  std::vector<Expectations::Pattern> out;
  out.reserve(patterns.size());
  for (const auto& pattern : patterns) out.push_back({pattern, regexes.get(pattern)});
  return out;
}

/// Of what tells services apart; that two differ is for operator== to say.
std::size_t hash_of(const Expectations::Source& source) {
  std::size_t out = 0;
  const auto add = [&out](const std::string& text) { out = out * 31 + std::hash<std::string>{}(text); };
  const auto& expect = source.expect;
  if (source.regex) add(*source.regex);
  for (const auto* list : {&expect.body, &expect.body_not, &source.evidence.redact}) std::ranges::for_each(*list, add);
  for (const auto* list : {&expect.headers, &expect.headers_not}) {
    for (const auto& rule : *list) add(rule.name), add(rule.pattern);
  }
  for (const auto& rule : expect.json) add(rule.pointer), add(rule.value);
  for (const auto& range : expect.status) out = out * 31 + range.from * std::size_t{1000} + range.to;
  for (const auto& time : {expect.max_time, expect.max_dns, expect.max_connect, expect.max_tls, expect.max_first_byte,
                           expect.max_transfer, expect.warn_time}) {
    out = out * 31 + (time ? static_cast<std::size_t>(time->count()) : 0);
  }
  add(expect.sha256);
  return out;
}

}  // namespace

Expectations::Source Expectations::source_of(const Service& service) {
  Source source;
  if (service.check_regex) source.regex = service.regex.value_or("");
  source.expect = service.spec().expect;
  source.evidence = service.spec().evidence;
  return source;
}

Expectations::Expectations(Source source, RegexPool& regexes)
    : source_(std::move(source)),
      body_(compile(source_.expect.body, regexes)),
      body_not_(compile(source_.expect.body_not, regexes)),
      json_(source_.expect.json),
      sha256_(parse_sha256(source_.expect.sha256)) {
  if (source_.regex) regex_ = regexes.get(*source_.regex);
  compile_headers(source_.expect.headers, false, regexes);
  compile_headers(source_.expect.headers_not, true, regexes);
  for (const auto& pattern : source_.evidence.redact) {
    redact_.push_back(regexes.get(pattern));
    redact_instructions_ += redact_.back()->instructions();
  }
  if (regex_) body_instructions_ = regex_->instructions();
  for (const auto* list : {&body_, &body_not_}) {
    for (const auto& pattern : *list) body_instructions_ += pattern.regex->instructions();
  }
  needs_body_ = regex_ || !body_.empty() || !body_not_.empty() || !json_.empty() || sha256_;
}

void Expectations::compile_headers(const std::vector<HeaderRule>& rules, bool forbidden, RegexPool& regexes) {
  for (const auto& rule : rules) {
    Header header{rule.name, rule.name, rule.pattern, nullptr, forbidden};
    std::ranges::transform(header.name, header.name.begin(), lower);
    if (!rule.pattern.empty()) {
      header.regex = regexes.get(rule.pattern);
      header_instructions_ += header.regex->instructions();
    }
    if (std::ranges::find(header_names_, header.name) == header_names_.end()) header_names_.push_back(header.name);
    headers_.push_back(std::move(header));
  }
}

std::size_t Expectations::evidence_window() const {
  const auto& evidence = source_.evidence;
  return evidence.none || evidence.bytes == 0 ? 0 : evidence.bytes + kEvidenceMargin;
}

bool Expectations::allows_status(std::uint16_t status) const {
  const auto& ranges = source_.expect.status;
  if (ranges.empty()) return status >= kLowestGood && status <= kHighestGood;
  return std::ranges::any_of(ranges,
                             [status](const StatusRange& range) { return status >= range.from && status <= range.to; });
}

SharedExpectations ExpectationsPool::get(const Service& service, RegexPool& regexes) {
  auto source = Expectations::source_of(service);
  const auto hash = hash_of(source);
  const auto [begin, end] = pool_.equal_range(hash);
  for (auto known = begin; known != end; ++known) {
    auto shared = known->second.lock();
    if (shared && shared->source() == source) return shared;
  }
  auto fresh = std::make_shared<const Expectations>(std::move(source), regexes);
  if (pool_.size() >= tidy_at_) forget_unused();
  pool_.emplace(hash, fresh);
  return fresh;
}

void ExpectationsPool::forget_unused() {
  std::erase_if(pool_, [](const auto& entry) { return entry.second.expired(); });
  tidy_at_ = std::max<std::size_t>(64, pool_.size() * 2);
}

}  // namespace monitor::probe
