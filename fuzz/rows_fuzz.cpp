// What a damaged or hostile local database may hold: every row is read without harm, and a roll-up that can be read can
// be stored again as the same.
//
// The input: a byte that says what the rest is: 0, a packed roll-up; else one kind of row, whose columns follow, each
// a byte for its type, and then 8 bytes of a number, or a byte for the length of a text or blob and what it holds.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>

#include <fmt/format.h>

#include "fuzz.h"
#include "storage/rollup.h"
#include "storage/row_mapping.h"
#include "storage/sqlite.h"

using namespace monitor;

namespace {

constexpr int kColumns = 21;  // of a result, which has most

/// An empty file is an empty database.
const storage::Database& database() {
  static const storage::Database opened = [] {
    const auto file = std::filesystem::temp_directory_path() / fmt::format("monitor-rows-fuzz-{}", ::getpid());
    {
      const std::ofstream made(file);
    }
    storage::Database empty(file, storage::Database::Mode::kReadOnly);
    std::filesystem::remove(file);
    return empty;
  }();
  return opened;
}

std::string_view take(std::string_view& input, std::size_t count) {
  const auto taken = input.substr(0, count);
  input.remove_prefix(taken.size());
  return taken;
}

std::uint8_t take_byte(std::string_view& input) {
  const auto one = take(input, 1);
  return one.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(one.front());
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<std::uint8_t>(c));
  return out;
}

/// A value of any type, as an expression of SQL: a column may hold what its declaration does not say.
std::string take_value(std::string_view& input) {
  enum : std::uint8_t { kNull, kInteger, kText, kBlob, kReal, kTypes };
  const auto type = take_byte(input) % kTypes;
  if (type == kInteger || type == kReal) {
    std::int64_t number = 0;
    const auto bytes = take(input, sizeof number);
    std::memcpy(&number, bytes.data(), bytes.size());
    return fmt::format("CAST('{}' AS {})", number, type == kInteger ? "INTEGER" : "REAL");
  }
  if (type == kNull) return "NULL";
  const auto bytes = hex(take(input, take_byte(input)));
  return type == kText ? fmt::format("CAST(x'{}' AS TEXT)", bytes) : fmt::format("x'{}'", bytes);
}

void read_row(std::uint8_t kind, std::string_view input) {
  std::string sql = "SELECT ";
  for (int i = 0; i < kColumns; ++i) sql += (i > 0 ? ", " : "") + take_value(input);
  auto statement = database().prepare(sql);
  auto rows = statement.query();
  fuzz::require(rows.next(), "a row is there");
  switch (kind % 6) {
    case 0:
      fuzz::require(!common::name_of(storage::result_of(rows).outcome).empty(), "every outcome has a name");
      return;
    case 1:
      fuzz::require(!storage::name_of(storage::skipped_of(rows).reason).empty(), "every reason has a name");
      return;
    case 2:
      fuzz::require(!storage::name_of(storage::gap_of(rows).reason).empty(), "every reason has a name");
      return;
    case 3:
      storage::definition_of(rows);
      return;
    case 4:
      storage::tls_of(rows);
      return;
    default:
      storage::outage_of(rows);
  }
}

void add_rollup(std::string_view input) {
  const std::span<const std::uint8_t> body(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  storage::Rollup sum;
  if (!storage::PackedRollup{1, {}, body}.add_to(sum)) {
    fuzz::require(sum == storage::Rollup{}, "nothing is added of one that is damaged");
    return;
  }
  const auto packed = storage::pack(sum);
  storage::Rollup again;
  fuzz::require(storage::PackedRollup{1, {}, packed}.add_to(again), "what was read can be stored");
  fuzz::require(again == sum, "and is the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto what = take_byte(input);
  if (what == 0) {
    add_rollup(input);
  } else {
    read_row(static_cast<std::uint8_t>(what - 1), input);
  }
  return 0;
}
