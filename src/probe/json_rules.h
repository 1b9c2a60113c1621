// What values of a JSON document must be: pointers and values parsed once, documents judged within limits. Pure.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "probe/options.h"

namespace monitor::probe {

/// Arrays and objects within each other: enough for every honest answer.
inline constexpr std::size_t kMaxJsonDepth = 32;
/// Memory that one document may take as a tree; any text of 1 MiB fits.
inline constexpr std::size_t kMaxJsonMemory = std::size_t{64} << 20;

/// Documents are RFC 8259, UTF-8; a byte order mark is passed over. Of members with the same name the last one counts.
/// Numbers are compared by their exact value as 64-bit integers or doubles (1 equals 1.0, 1e999 is infinite); a lone
/// surrogate
/// (`\ud800`) makes a document invalid. A comparison with a value that is not there never holds, nor one of order with
/// what is no number.
class JsonRules {
 public:
  JsonRules();
  /// Throws common::UsageError for a rule that refuse_json_pointer or refuse_json_value refuses.
  explicit JsonRules(const std::vector<JsonRule>& rules);
  ~JsonRules();
  JsonRules(JsonRules&&) noexcept;
  JsonRules& operator=(JsonRules&&) noexcept;

  bool empty() const;

  struct Breaches {
    /// The first rule broken: `the JSON value at /status is `, `degraded` and `, not "ok"`. The value is the server's:
    /// whoever shows it conceals what is secret in it, escapes and cuts it.
    std::string before, value, after;
    bool is_text = false;  ///< the value is to be shown between quotes
    int count = 0;         ///< of the rules broken; all of them when the text is no JSON
  };
  /// Takes about 10 ns a byte.
  Breaches judge(std::string_view text) const;

 private:
  struct Compiled;
  std::unique_ptr<const Compiled> compiled_;
};

}  // namespace monitor::probe
