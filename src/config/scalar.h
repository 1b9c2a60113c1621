// What a scalar of YAML or JSON means, and how one must be written to mean it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace monitor::config {

/// `true`, `on`, `yes` and their opposites, in YAML's three spellings of letters.
std::optional<bool> as_boolean(std::string_view plain);

/// Decimal digits with an optional sign.
std::optional<std::int64_t> as_integer(std::string_view plain);

/// Decimal digits, and perhaps a point and one more: `2` is 20, `0.5` is 5. Without a sign.
std::optional<std::int64_t> as_tenths(std::string_view plain);

/// Whether YAML's core schema takes the unquoted text for a number or for `true` or `false`.
bool is_number_or_boolean(std::string_view plain);

/// Whether every YAML reader takes the unquoted text for just this text; more is quoted than has to be.
bool is_safe_plain(std::string_view text);

/// Whether it is a duration or a size that needs no quotes: `0`, `90s`, `10 GiB`.
bool is_plain_measure(std::string_view text);

}  // namespace monitor::config
