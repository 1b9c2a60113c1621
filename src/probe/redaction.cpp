#include "probe/redaction.h"

#include <algorithm>

#include "common/text.h"

namespace monitor::probe {
namespace {

constexpr std::string_view kMask = "***";

void find_secret(std::string_view text, std::string_view secret, std::vector<Span>& spans) {
  if (secret.size() < kShortestSecret) return;
  for (auto at = text.find(secret); at != std::string_view::npos; at = text.find(secret, at + 1)) {
    spans.push_back({at, at + secret.size()});
  }
  // `text` may be cut off inside it.
  for (auto length = std::min(secret.size() - 1, text.size()); length >= kShortestSecret; --length) {
    if (!text.ends_with(secret.substr(0, length))) continue;
    spans.push_back({text.size() - length, text.size()});
    return;
  }
}

/// Once `work` is used up, all the rest is one span: a pattern like `x(.*y)?` goes over the whole rest for every `x`.
void find_matches(std::string_view text, const Regex& pattern, std::size_t& work, std::vector<Span>& spans) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto cost = (text.size() - at) * pattern.instructions();
    if (work < cost) {
      spans.push_back({at, text.size()});
      return;
    }
    work -= cost;
    const auto match = pattern.find(text, at);
    if (!match) return;
    if (match->second > match->first) spans.push_back({match->first, match->second});
    at = std::max(match->second, match->first + 1);
  }
}

/// The same number of bytes, valid UTF-8.
std::string with_placeholders(std::string_view text) {
  std::string out(text);
  for (std::size_t at = 0; at < out.size();) {
    const auto length = common::utf8_sequence(text.substr(at));
    if (length == 0) out[at] = '?';
    at += std::max<std::size_t>(length, 1);
  }
  return out;
}

}  // namespace

void join(std::vector<Span>& spans) {
  std::ranges::sort(spans, {}, &Span::begin);
  std::size_t last = 0;
  for (std::size_t i = 1; i < spans.size(); ++i) {
    if (spans[i].begin <= spans[last].end) {
      spans[last].end = std::max(spans[last].end, spans[i].end);
    } else {
      spans[++last] = spans[i];
    }
  }
  if (!spans.empty()) spans.resize(last + 1);
}

std::vector<Span> Redaction::spans(std::string_view text) const {
  std::vector<Span> found;
  if (secrets_ != nullptr) {
    for (const auto& secret : *secrets_) find_secret(text, secret, found);
  }
  if (!patterns_.empty()) {
    // RE2 goes no further than a byte that is not UTF-8; the places must stay those of `text`.
    const auto readable = with_placeholders(text);
    auto work = work_;
    for (const auto& pattern : patterns_) find_matches(readable, *pattern, work, found);
  }
  join(found);
  return found;
}

std::string Redaction::conceal(std::string_view text) const {
  return masked(text, text.size(), spans(text));
}

std::string masked(std::string_view text, std::size_t limit, const std::vector<Span>& spans) {
  limit = std::min(limit, text.size());
  std::string out;
  std::size_t at = 0;
  for (const auto& span : spans) {
    if (span.begin >= limit) break;
    out.append(text.substr(at, span.begin - at)).append(kMask);
    at = span.end;
  }
  if (at < limit) out.append(text.substr(at, limit - at));
  return out;
}

}  // namespace monitor::probe
