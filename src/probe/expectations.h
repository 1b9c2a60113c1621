// What a service expects of a response, compiled once. Immutable: any number of checks on any threads may share it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "probe/json_rules.h"
#include "probe/options.h"
#include "probe/regex.h"

namespace monitor::probe {

class Expectations {
 public:
  using SharedRegex = std::shared_ptr<const Regex>;
  using Sha256 = std::array<std::uint8_t, 32>;

  /// What is compiled: two services with an equal source expect the same.
  struct Source {
    std::optional<std::string> regex;  ///< the predecessor's, when it is to be checked
    Expect expect;
    EvidenceOptions evidence;
    bool operator==(const Source&) const = default;
  };
  static Source source_of(const Service& service);

  struct Pattern {
    std::string text;
    SharedRegex regex;
  };
  struct Header {
    std::string name;        ///< lower case
    std::string shown;       ///< as typed
    std::string text;        ///< of the expression
    SharedRegex regex;       ///< null: presence alone counts
    bool forbidden = false;  ///< must not match, or not be there
  };

  /// Throws common::UsageError for a rule that options.h refuses.
  Expectations(Source source, RegexPool& regexes);

  /// Whether the body must be kept: a rule looks at it.
  bool needs_body() const { return needs_body_; }
  /// The fields that must be kept for inspect(): lower case, each once.
  const std::vector<std::string>& header_names() const { return header_names_; }
  /// Bytes of the body that must be kept for evidence_text(); 0 when none is.
  std::size_t evidence_window() const;

  const Source& source() const { return source_; }
  const Expect& expect() const { return source_.expect; }
  const SharedRegex& regex() const { return regex_; }  ///< the predecessor's; null: not checked
  const std::vector<Pattern>& body() const { return body_; }
  const std::vector<Pattern>& body_not() const { return body_not_; }
  const std::vector<Header>& headers() const { return headers_; }
  const JsonRules& json() const { return json_; }
  const std::optional<Sha256>& sha256() const { return sha256_; }
  const std::vector<SharedRegex>& redact() const { return redact_; }
  bool allows_status(std::uint16_t status) const;
  /// Of all the expressions that search the body, together; of those that search header fields; of those that redact.
  std::size_t body_instructions() const { return body_instructions_; }
  std::size_t header_instructions() const { return header_instructions_; }
  std::size_t redact_instructions() const { return redact_instructions_; }

 private:
  void compile_headers(const std::vector<HeaderRule>& rules, bool forbidden, RegexPool& regexes);

  Source source_;
  SharedRegex regex_;
  std::vector<Pattern> body_, body_not_;
  std::vector<Header> headers_;
  std::vector<std::string> header_names_;
  JsonRules json_;
  std::optional<Sha256> sha256_;
  std::vector<SharedRegex> redact_;
  std::size_t body_instructions_ = 0, header_instructions_ = 0, redact_instructions_ = 0;
  bool needs_body_ = false;
};

using SharedExpectations = std::shared_ptr<const Expectations>;

/// Hands out one object per distinct source for as long as somebody holds it. Not thread-safe.
class ExpectationsPool {
 public:
  /// Throws common::UsageError for a rule that options.h refuses.
  SharedExpectations get(const Service& service, RegexPool& regexes);
  std::size_t size() const { return pool_.size(); }

 private:
  void forget_unused();
  std::unordered_multimap<std::size_t, std::weak_ptr<const Expectations>> pool_;
  std::size_t tidy_at_ = 64;
};

}  // namespace monitor::probe
