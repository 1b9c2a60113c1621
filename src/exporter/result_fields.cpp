#include "exporter/result_fields.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <limits>

#include "exporter/remote_schema.h"

namespace monitor::exporter {

std::int64_t as_int4(std::int64_t value) {
  return std::clamp<std::int64_t>(value, std::numeric_limits<std::int32_t>::min(),
                                  std::numeric_limits<std::int32_t>::max());
}

std::optional<std::int64_t> as_int4(const std::optional<common::Micros>& duration) {
  if (!duration) return std::nullopt;
  return as_int4(duration->count());
}

std::string_view inet_of(std::string_view text) {
  const auto address = text.substr(0, text.find('%'));
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (address.size() >= terminated.size()) return {};
  std::ranges::copy(address, terminated.begin());
  std::array<unsigned char, sizeof(in6_addr)> ignored{};
  const int family = address.find(':') == std::string_view::npos ? AF_INET : AF_INET6;
  return ::inet_pton(family, terminated.data(), ignored.data()) == 1 ? address : std::string_view{};
}

std::int64_t flags_of(const storage::Result& row) {
  return (row.contains_regex ? kFlagContainsRegex : 0) | (row.capped ? kFlagCapped : 0) |
         (row.dns_cached ? kFlagDnsCached : 0) | (row.connection == storage::Connection::kReused ? kFlagReused : 0) |
         (row.retried ? kFlagRetried : 0) | (row.http_1_0 ? kFlagHttp10 : 0);
}

}  // namespace monitor::exporter
