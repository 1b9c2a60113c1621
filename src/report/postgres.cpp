#include "report/postgres.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <poll.h>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <libpq-fe.h>

#include "common/error.h"
#include "common/text.h"

namespace monitor::report {
namespace {

/// A year of results that were never rolled up takes minutes to read.
constexpr std::chrono::minutes kStatement{5};
/// The server gives up by itself before; this is for one that does nothing any more.
constexpr std::chrono::minutes kAnswer{6};
constexpr std::array<const char*, 8> kKeywords{"connect_timeout", "application_name",    "keepalives",
                                               "keepalives_idle", "keepalives_interval", "keepalives_count",
                                               "dbname",          "client_encoding"};
/// PostgreSQL counts from 2000-01-01.
constexpr common::WallTime kEpoch{std::chrono::sys_days{std::chrono::days{10'957}}};
constexpr std::size_t kArrayHeader = 20;  // dimensions, flags, type, length, first index

using Answer = std::unique_ptr<PGresult, decltype(&PQclear)>;

std::uint64_t big_endian(const char* at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<std::uint8_t>(at[i]);
  return value;
}

std::int64_t signed_number(const char* at, std::size_t size) {
  const auto value = big_endian(at, size);
  if (size == sizeof(std::int16_t)) return static_cast<std::int16_t>(value);
  if (size == sizeof(std::int32_t)) return static_cast<std::int32_t>(value);
  return static_cast<std::int64_t>(value);
}

/// libpq's words.
constexpr std::string_view kNoMemory = "out of memory\n";

/// What the URI says to be secret, so that no sentence of libpq or the server can repeat it.
std::vector<std::string> secrets_of(const std::string& uri) {
  constexpr std::size_t kShortest = 3;  // masking every "a" would mask the sentence
  char* error = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfoParse(uri.c_str(), &error),
                                                                             &PQconninfoFree);
  const bool no_memory = error == nullptr || std::string_view(error) == kNoMemory;
  PQfreemem(error);  // it may quote the URI
  if (!options && no_memory) throw common::Error("there is no memory for a connection to PostgreSQL");
  if (!options) throw common::Error("libpq cannot read external_database_uri; correct it in the configuration");
  std::vector<std::string> secrets;
  for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
    const bool secret = std::string_view(option->keyword).ends_with("password");
    if (secret && option->val != nullptr && std::string_view(option->val).size() >= kShortest) {
      secrets.emplace_back(option->val);
    }
  }
  return secrets;
}

}  // namespace

bool RemoteRow::null(int column) const {
  return PQgetisnull(answer_, 0, column) != 0;
}

std::int64_t RemoteRow::integer(int column) const {
  const auto size = static_cast<std::size_t>(PQgetlength(answer_, 0, column));
  return size == 0 ? 0 : signed_number(PQgetvalue(answer_, 0, column), size);
}

bool RemoteRow::boolean(int column) const {
  return text(column) == std::string_view("\1");
}

std::string_view RemoteRow::text(int column) const {
  return {PQgetvalue(answer_, 0, column), static_cast<std::size_t>(PQgetlength(answer_, 0, column))};
}

std::span<const std::uint8_t> RemoteRow::bytes(int column) const {
  const auto content = text(column);
  return {reinterpret_cast<const std::uint8_t*>(content.data()), content.size()};
}

common::WallTime RemoteRow::time(int column) const {
  constexpr auto kFurthest = std::int64_t{1} << 61;
  return kEpoch + common::Micros{std::clamp(integer(column), -kFurthest, kFurthest)};
}

std::optional<common::WallTime> RemoteRow::time_or_null(int column) const {
  return null(column) ? std::nullopt : std::optional{time(column)};
}

std::vector<std::int64_t> RemoteRow::integers(int column) const {
  std::vector<std::int64_t> values;
  for (const auto value : texts(column)) values.push_back(signed_number(value.data(), value.size()));
  return values;
}

std::vector<std::string_view> RemoteRow::texts(int column) const {
  std::vector<std::string_view> values;
  auto array = text(column);
  if (array.size() < kArrayHeader) return values;
  array.remove_prefix(kArrayHeader);
  while (array.size() >= sizeof(std::int32_t)) {
    const auto length = std::max<std::int64_t>(0, signed_number(array.data(), sizeof(std::int32_t)));
    array.remove_prefix(sizeof(std::int32_t));
    values.push_back(array.substr(0, static_cast<std::size_t>(length)));
    array.remove_prefix(values.back().size());
  }
  return values;
}

void Remote::Finish::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

Remote::Remote(const std::string& uri, std::string_view purpose) : purpose_(purpose), secrets_(secrets_of(uri)) {
  const std::string application = "monitor " + purpose_;
  // Of a keyword that is there twice the last one counts, and the URI stands in place of dbname.
  const std::array<const char*, kKeywords.size() + 1> values{"10", application.c_str(), "1",    "10",   "5",
                                                             "3",  uri.c_str(),         "UTF8", nullptr};
  std::array<const char*, kKeywords.size() + 1> keywords{};
  std::ranges::copy(kKeywords, keywords.begin());
  connection_.reset(PQconnectdbParams(keywords.data(), values.data(), 1));
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    throw common::Error("PostgreSQL cannot be reached: " + cleaned(PQerrorMessage(connection_.get())));
  }
  PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);  // it would write to stderr
  const auto run = [&](const std::string& sql) { query(sql, {}, [](const RemoteRow&) {}); };
  run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  run(fmt::format("SET LOCAL statement_timeout = '{}min'", kStatement.count()));
  run("SET LOCAL lock_timeout = '30s'");
  run("SET LOCAL timezone = 'UTC'");
  run("SET LOCAL jit = off");  // compiling a plan over 400 partitions takes longer than running it
}

Remote::~Remote() = default;

void Remote::query(const std::string& sql, const std::vector<std::string>& parameters,
                   const std::function<void(const RemoteRow&)>& visit) {
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const auto& parameter : parameters) values.push_back(parameter.c_str());
  const bool sent = PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr,
                                      values.data(), nullptr, nullptr, 1) == 1;
  if (!sent || PQsetSingleRowMode(connection_.get()) != 1) fail(nullptr);
  while (true) {
    wait_for_answer();
    const Answer answer(PQgetResult(connection_.get()), &PQclear);
    if (!answer) return;
    const auto status = PQresultStatus(answer.get());
    if (status == PGRES_SINGLE_TUPLE) {
      visit(RemoteRow(answer.get()));
    } else if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
      fail(answer.get());
    }
  }
}

/// PQgetResult alone would wait for ever for a server that stands still.
void Remote::wait_for_answer() {
  const auto deadline = std::chrono::steady_clock::now() + kAnswer;
  while (PQisBusy(connection_.get()) != 0) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      throw common::Error("PostgreSQL does not answer; try again, or with a shorter --last");
    }
    pollfd socket{.fd = PQsocket(connection_.get()), .events = POLLIN, .revents = 0};
    const int ready = ::poll(&socket, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno != EINTR) throw common::Error("cannot wait for PostgreSQL: " + common::errno_text(errno));
    if (ready > 0 && PQconsumeInput(connection_.get()) != 1) fail(nullptr);
  }
}

void Remote::fail(const pg_result* answer) const {
  const char* state = answer == nullptr ? nullptr : PQresultErrorField(answer, PG_DIAG_SQLSTATE);
  if (state == nullptr || PQstatus(connection_.get()) != CONNECTION_OK) {
    throw common::Error("the connection to PostgreSQL broke: " + cleaned(PQerrorMessage(connection_.get())));
  }
  const std::string_view code(state);
  const auto sentence = cleaned(PQresultErrorField(answer, PG_DIAG_MESSAGE_PRIMARY));
  if (code == "57014") {
    throw common::Error(
        fmt::format("PostgreSQL did not answer within {} minutes; choose a shorter --last", kStatement.count()));
  }
  if (code == "42501") {
    throw common::Error(fmt::format("PostgreSQL refuses the {}: {}; grant SELECT to this user", purpose_, sentence));
  }
  throw common::Error(fmt::format("PostgreSQL refuses the {}: {} ({})", purpose_, sentence, code));
}

std::string Remote::cleaned(std::string_view text) const {
  return common::one_line(text, secrets_);
}

std::string array_of(std::span<const std::int64_t> numbers) {
  return fmt::format("{{{}}}", fmt::join(numbers, ","));
}

std::string timestamp_of(common::WallTime time) {
  return common::format_time(time);
}

}  // namespace monitor::report
