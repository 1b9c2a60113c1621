// A text that must not be shown. Any thread.
#pragma once

#include <string>
#include <utility>

namespace monitor::common {

/// Holds a password, a token, a header's value. It has no stream operator and no formatter, so that it reaches no log
/// and no error by accident: whoever wants the text says reveal().
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  const std::string& reveal() const { return text_; }
  bool empty() const { return text_.empty(); }
  bool operator==(const Secret&) const = default;

 private:
  std::string text_;
};

}  // namespace monitor::common
