#include "probe/inspect.h"

#include <algorithm>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "common/error.h"
#include "common/text.h"
#include "common/units.h"
#include "probe/charset.h"
#include "probe/decode.h"
#include "probe/evidence.h"

namespace monitor::probe {
namespace {

using common::Outcome;

constexpr std::size_t kShownBytes = 80;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

std::string cut(std::string_view text) {
  return common::storable(common::escape_controls(text), kShownBytes);
}

/// The beginning of a text that a server sent, without what is secret in it.
std::string shown_value(std::string_view text, const Redaction& redaction) {
  const auto window = text.substr(0, kShownBytes + kEvidenceMargin);
  return cut(masked(window, window.size() < text.size() ? kShownBytes : window.size(), redaction.spans(window)));
}

class HeaderInspection {
 public:
  HeaderInspection(const Received& received, const Redaction& redaction, Breaches& breaches)
      : received_(received), redaction_(redaction), breaches_(breaches) {}

  void judge(const Expectations::Header& rule) {
    const FieldLine *first = nullptr, *matching = nullptr;
    for (const auto& field : received_.fields) {
      if (!std::ranges::equal(field.name, rule.name, {}, lower)) continue;
      if (first == nullptr) first = &field;
      if (matching == nullptr && matches(field, rule)) matching = &field;
    }
    const bool broken = rule.forbidden ? matching != nullptr : matching == nullptr;
    if (!broken) return;
    breaches_.add(Outcome::kHeaderMismatch, [&] { return sentence(rule, rule.forbidden ? matching : first); });
  }

 private:
  static bool matches(const FieldLine& field, const Expectations::Header& rule) {
    if (rule.regex == nullptr) return true;
    std::string storage;
    return rule.regex->found_in(decode(field.value, "", storage));
  }

  std::string sentence(const Expectations::Header& rule, const FieldLine* field) const {
    if (field == nullptr) return fmt::format("the header field {} is missing", rule.shown);
    if (rule.regex == nullptr) return fmt::format("the header field {} is there, which it must not be", rule.shown);
    const auto value = is_secret_field(rule.name) ? "***" : shown_value(field->value, redaction_);
    return fmt::format("the header field {} is \"{}\", which {} {}", rule.shown, value,
                       rule.forbidden ? "must not match" : "does not match", cut(rule.text));
  }

  const Received& received_;
  const Redaction& redaction_;
  Breaches& breaches_;
};

/// The rules over one decoded body.
class BodyInspection {
 public:
  BodyInspection(const Expectations& expectations, const Redaction& redaction, Findings& findings)
      : expectations_(expectations), redaction_(redaction), findings_(findings) {}

  void judge(std::string_view bytes, std::string_view text) {
    size_ = bytes.size();
    judge_patterns(text);
    if (!expectations_.json().empty()) judge_json(text);
    if (expectations_.sha256()) judge_sha256(bytes);
  }

 private:
  void judge_patterns(std::string_view text) {
    auto& breaches = findings_.body;
    if (const auto& regex = expectations_.regex()) {
      findings_.contains_regex = regex->found_in(text);
      if (!findings_.contains_regex) {
        breaches.add(Outcome::kBodyMismatch,
                     [&] { return fmt::format("the regular expression was not found in {}", what_was_searched()); });
      }
    }
    for (const auto& pattern : expectations_.body()) {
      if (pattern.regex->found_in(text)) continue;
      breaches.add(Outcome::kBodyMismatch,
                   [&] { return fmt::format("nothing matches {} in {}", cut(pattern.text), what_was_searched()); });
    }
    for (const auto& pattern : expectations_.body_not()) {
      if (!pattern.regex->found_in(text)) continue;
      breaches.add(Outcome::kBodyForbidden,
                   [&] { return fmt::format("the body matches {}, which it must not", cut(pattern.text)); });
    }
  }

  void judge_json(std::string_view text) {
    if (findings_.capped) return add_capped(Outcome::kJsonMismatch, "it cannot be read as JSON");
    const auto found = expectations_.json().judge(text);
    if (found.count == 0) return;
    findings_.body.add(Outcome::kJsonMismatch, [&] {
      const auto value = shown_value(found.value, redaction_);
      return fmt::format("{}{}{}", found.before, found.is_text ? fmt::format("\"{}\"", value) : value, found.after);
    });
    findings_.body.count += found.count - 1;
  }

  void judge_sha256(std::string_view bytes) {
    if (findings_.capped) return add_capped(Outcome::kBodyMismatch, "its SHA-256 is not known");
    Expectations::Sha256 digest{};
    if (::EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, ::EVP_sha256(), nullptr) != 1) {
      throw common::Error("the SHA-256 of the body could not be computed");
    }
    if (digest == *expectations_.sha256()) return;
    findings_.body.add(Outcome::kBodyMismatch, [&] {
      return fmt::format("the SHA-256 of the body is {:02x}, not {:02x}", fmt::join(digest, ""),
                         fmt::join(*expectations_.sha256(), ""));
    });
  }

  void add_capped(Outcome outcome, std::string_view consequence) {
    findings_.body.add(outcome, [&] {
      return fmt::format("the body is longer than {}, so {}: raise body_limit", common::format_size(size_),
                         consequence);
    });
  }

  std::string what_was_searched() const {
    const auto size = common::format_size(size_);
    return findings_.capped ? fmt::format("the first {} of the body, which is longer", size)
                            : fmt::format("the {} body", size);
  }

  const Expectations& expectations_;
  const Redaction& redaction_;
  Findings& findings_;
  std::size_t size_ = 0;
};

}  // namespace

Findings inspect(const Received& received, const Expectations& expectations) {
  Findings findings;
  findings.capped = received.capped;
  const Redaction redaction(received.secrets.get(), expectations.redact());
  HeaderInspection headers(received, redaction, findings.headers);
  for (const auto& rule : expectations.headers()) headers.judge(rule);

  Decoded decoded;
  std::string_view bytes = received.body;
  if (!received.coding.empty()) {
    decoded = decode_content(received.body, received.coding, received.body_limit, received.capped);
    if (decoded.refusal) {
      findings.body.add(Outcome::kDecodeFailure, [&] { return std::move(*decoded.refusal); });
      findings.excerpt = bytes.substr(0, received.excerpt);
      return findings;
    }
    bytes = decoded.body;
    findings.capped = findings.capped || decoded.capped;
  }
  std::string storage;
  const auto text =
      decode(expectations.needs_body() ? bytes : bytes.substr(0, received.excerpt), received.charset, storage);
  BodyInspection(expectations, redaction, findings).judge(bytes, text);
  findings.excerpt = text.substr(0, received.excerpt);
  return findings;
}

}  // namespace monitor::probe
