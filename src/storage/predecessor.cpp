#include "storage/predecessor.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "common/log.h"
#include "common/text.h"
#include "storage/pending.h"

namespace monitor::storage {
namespace {

/// `2024-04-22 12:35:30.970123`, with `T`, without a fraction, and with what may follow: naive UTC.
std::optional<common::WallTime> parse_time(std::string_view text) {
  constexpr std::size_t kWithoutFraction = 19;
  constexpr std::size_t kFractionDigits = 6;
  if (text.size() < kWithoutFraction) return std::nullopt;
  const auto number = [text](std::size_t at, std::size_t length) {
    int value = -1;
    std::from_chars(text.data() + at, text.data() + at + length, value);
    return value;
  };
  const std::chrono::year_month_day day{std::chrono::year{number(0, 4)},
                                        std::chrono::month{static_cast<unsigned>(number(5, 2))},
                                        std::chrono::day{static_cast<unsigned>(number(8, 2))}};
  const int hour = number(11, 2);
  const int minute = number(14, 2);
  const int second = number(17, 2);
  if (!day.ok() || hour < 0 || minute < 0 || second < 0) return std::nullopt;
  std::int64_t fraction = 0;
  std::size_t at = kWithoutFraction + 1;
  const bool has_fraction = text.size() > at && text[kWithoutFraction] == '.';
  for (std::size_t digit = 0; digit < kFractionDigits; ++digit, ++at) {
    const bool given = has_fraction && at < text.size() && text[at] >= '0' && text[at] <= '9';
    fraction = fraction * 10 + (given ? text[at] - '0' : 0);
    if (!given && at < text.size()) at = text.size();
  }
  return std::chrono::sys_days{day} + std::chrono::hours{hour} + std::chrono::minutes{minute} +
         std::chrono::seconds{second} + common::Micros{fraction};
}

/// That tool kept the text of its exception alone; this reads it as far as it is known.
common::Outcome outcome_of(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  struct Sign {
    std::string_view part;
    common::Outcome outcome;
  };
  static constexpr std::array kSigns{
      Sign{"certificate has expired", common::Outcome::kTlsExpired},
      Sign{"hostname mismatch", common::Outcome::kTlsHostname},
      Sign{"certificate", common::Outcome::kTlsUntrusted},
      Sign{"ssl", common::Outcome::kTlsHandshake},
      Sign{"name or service not known", common::Outcome::kDnsNxdomain},
      Sign{"name resolution", common::Outcome::kDnsFailure},
      Sign{"getaddrinfo", common::Outcome::kDnsFailure},
      Sign{"refused", common::Outcome::kConnectRefused},
      Sign{"unreachable", common::Outcome::kUnreachable},
      Sign{"reset", common::Outcome::kConnectionReset},
      Sign{"connecttimeout", common::Outcome::kConnectTimeout},
      Sign{"timeout", common::Outcome::kFirstByteTimeout},
      Sign{"timed out", common::Outcome::kFirstByteTimeout},
      Sign{"protocol", common::Outcome::kMalformedResponse},
  };
  for (const auto& sign : kSigns) {
    if (text.find(sign.part) != std::string::npos) return sign.outcome;
  }
  return common::Outcome::kConnectionClosed;
}

enum Column : int {
  kUrl,
  kMethod,
  kRequestTimestamp,
  kRegexCheckRequired,
  kContainsRegex,
  kContainsException,
  kStatusCode,
  kResponseTimestamp,
  kRegex,
  kException,
  kCreatedAt
};

/// A definition holds no secrets: `user:password@` goes.
std::string without_userinfo(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url);
  const auto host = scheme + 3;
  const auto at = url.substr(host, url.find_first_of("/?#", host) - host).rfind('@');
  if (at == std::string_view::npos) return std::string(url);
  return fmt::format("{}{}", url.substr(0, host), url.substr(host + at + 1));
}

Definition definition_of(const Rows& rows) {
  Definition definition;
  definition.url = without_userinfo(rows.text(kUrl));
  definition.method = rows.text(kMethod) == "OPTION" ? "OPTIONS" : rows.text(kMethod);
  definition.check_regex = rows.integer(kRegexCheckRequired) != 0;
  if (!rows.is_null(kRegex)) definition.regex = rows.text(kRegex);
  // As probe::Service::key() makes it, so that a service's history goes on.
  definition.key = fmt::format("{}\n{}\n{}\n{}", definition.method, definition.url, definition.check_regex,
                               definition.regex.value_or(""));
  return definition;
}

Result result_of(const Rows& rows, const Definition& definition, common::WallTime requested_at) {
  Result result;
  result.requested_at = requested_at;
  result.contains_regex = rows.integer(kContainsRegex) != 0;
  if (rows.integer(kContainsException) == 0 && !rows.is_null(kStatusCode)) {
    result.status = static_cast<std::uint16_t>(rows.integer(kStatusCode));
  }
  if (const auto ended = parse_time(rows.text(kResponseTimestamp))) result.total = *ended - requested_at;
  if (!result.status) {
    const std::string exception(rows.text(kException));
    result.outcome = outcome_of(exception);
    result.reason = exception.empty() ? "the request failed" : exception;
  } else if (*result.status < 200 || *result.status > 399) {
    result.outcome = common::Outcome::kStatus;
    result.reason = fmt::format("the status was {}, outside 200-399", *result.status);
  } else if (definition.check_regex && !result.contains_regex) {
    result.outcome = common::Outcome::kBodyMismatch;
    result.reason = "the regular expression was not found in the body";
  }
  make_storable(result);
  return result;
}

}  // namespace

bool is_predecessor(Database& database) {
  constexpr int kTellingColumns = 4;
  return database.integer(
             "SELECT count(*) FROM pragma_table_info('monitoring') WHERE name IN "
             "('url', 'request_timestamp', 'contains_exception', 'processed')") == kTellingColumns;
}

std::int64_t import_predecessor(Database& from, Definitions& definitions, Writer& writer) {
  auto files = from.prepare("SELECT file FROM pragma_database_list WHERE name = 'main'");
  if (auto file = files.query(); file.next()) {
    common::log::info("Taking over {} results from {}, which is kept as *.original; this may take minutes",
                      from.integer("SELECT count(*) FROM monitoring WHERE NOT processed"), file.text(0));
  }
  auto select = from.prepare(
      "SELECT url, method, request_timestamp, regex_check_required, contains_regex, contains_exception, status_code, "
      "response_timestamp, regex, exception, created_at FROM monitoring WHERE NOT processed "
      "ORDER BY request_timestamp");
  std::int64_t count = 0;
  auto rows = select.query();
  while (rows.next()) {
    const auto created_at = parse_time(rows.text(kCreatedAt));
    const auto requested_at = parse_time(rows.text(kRequestTimestamp));
    const auto at = requested_at ? *requested_at : created_at.value_or(common::WallTime{});
    const Definition definition = definition_of(rows);
    Result result = result_of(rows, definition, at);
    result.definition = definitions.define(definition);
    writer.write(result, created_at.value_or(at));
    ++count;
  }
  return count;
}

}  // namespace monitor::storage
