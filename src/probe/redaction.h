// What must not be shown of a text: our own secrets, and what the operator's patterns match. Pure.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "probe/regex.h"

namespace monitor::probe {

/// A secret of fewer bytes is not looked for: it would be found everywhere.
inline constexpr std::size_t kShortestSecret = 4;

/// Texts that we send and that a server may send back: passwords, tokens, values of header fields, bodies, and what the
/// environment gave.
using Secrets = std::vector<std::string>;
using SharedSecrets = std::shared_ptr<const Secrets>;

/// From `begin` to before `end`, in bytes.
struct Span {
  std::size_t begin = 0, end = 0;
  bool operator==(const Span&) const = default;
};

/// What searching for patterns may cost, in bytes times instructions (6 ns each at worst): 13 ms for a sentence, which
/// is made on the io thread, and 1.6 s for evidence, which is not if its patterns are costly.
inline constexpr std::size_t kSentenceWork = std::size_t{1} << 21;
inline constexpr std::size_t kEvidenceWork = std::size_t{1} << 28;

class Redaction {
 public:
  /// Both must outlive it; `secrets` may be null.
  Redaction(const Secrets* secrets, const std::vector<std::shared_ptr<const Regex>>& patterns,
            std::size_t work = kSentenceWork)
      : secrets_(secrets), patterns_(patterns), work_(work) {}

  /// What of `text` must not be shown, in order, none touching another. Where finding it costs too much, all the rest.
  std::vector<Span> spans(std::string_view text) const;
  /// `text` with each of these as `***`.
  std::string conceal(std::string_view text) const;

 private:
  const Secrets* secrets_;
  const std::vector<std::shared_ptr<const Regex>>& patterns_;
  std::size_t work_;
};

/// Sorts, and joins those that touch.
void join(std::vector<Span>& spans);
/// `text` up to `limit` with each span as `***`, also one that goes beyond the limit.
std::string masked(std::string_view text, std::size_t limit, const std::vector<Span>& spans);

}  // namespace monitor::probe
