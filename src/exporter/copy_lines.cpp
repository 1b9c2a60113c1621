#include "exporter/copy_lines.h"

#include <array>

#include <fmt/format.h>

#include "exporter/result_fields.h"

namespace monitor::exporter {
namespace {

void append_number(std::int64_t number, std::string& out) {
  const fmt::format_int digits(number);
  out.append(digits.data(), digits.size());
}

/// `value` with at least N digits.
template <std::size_t N>
void append_digits(std::int64_t value, std::string& out) {
  std::array<char, N> digits{};
  for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit, value /= 10) {
    *digit = static_cast<char>('0' + value % 10);
  }
  out.append(digits.data(), N);
}

/// What would end a field or a line, or begin an escape.
constexpr std::string_view kSpecial = "\\\t\n\r";

char escape_of(char special) {
  switch (special) {
    case '\t':
      return 't';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    default:
      return special;
  }
}

}  // namespace

const std::string CopyLines::kCopy =
    fmt::format("COPY monitoring_results ({}, agent, arrived_s) FROM STDIN", kResultColumns);

/// Each field ends with a tab; the agent's number follows the last.
class CopyFields {
 public:
  CopyFields(CopyLines& lines, std::string& out) : lines_(lines), out_(out) {}

  void number(std::int64_t value) {
    append_number(value, out_);
    out_ += '\t';
  }
  void null() { out_ += "\\N\t"; }
  void text(std::string_view value) {
    for (auto special = value.find_first_of(kSpecial); special != std::string_view::npos;
         special = value.find_first_of(kSpecial)) {
      out_.append(value.substr(0, special)) += '\\';
      out_ += escape_of(value[special]);
      value.remove_prefix(special + 1);
    }
    out_.append(value) += '\t';
  }
  void time(common::WallTime value) {
    const auto day = std::chrono::floor<std::chrono::days>(value);
    if (day != lines_.day_ || lines_.date_.empty()) {
      const std::chrono::year_month_day date(day);
      lines_.day_ = day;
      lines_.date_ = fmt::format("{:04}-{:02}-{:02} ", static_cast<int>(date.year()),
                                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
    }
    out_ += lines_.date_;
    const std::chrono::hh_mm_ss clock(value - day);
    append_digits<2>(clock.hours().count(), out_);
    out_ += ':';
    append_digits<2>(clock.minutes().count(), out_);
    out_ += ':';
    append_digits<2>(clock.seconds().count(), out_);
    out_ += '.';
    append_digits<6>(clock.subseconds().count(), out_);
    out_ += '\t';
  }

 private:
  CopyLines& lines_;
  std::string& out_;
};

CopyLines::CopyLines(int agent, common::WallTime server_now, Repertoire repertoire)
    : agent_(std::to_string(agent) + '\t'), server_now_(server_now), repertoire_(repertoire) {}

void CopyLines::add(const storage::StoredResult& row, int definition, int tls, std::string& out) {
  map_result(row, definition, tls, repertoire_, CopyFields(*this, out));
  out += agent_;
  append_number(as_int4(std::chrono::ceil<std::chrono::seconds>(server_now_ - row.requested_at).count()), out);
  out += '\n';
}

}  // namespace monitor::exporter
