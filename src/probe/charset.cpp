#include "probe/charset.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iconv.h>

#include "common/text.h"

namespace monitor::probe {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

/// The length of the ASCII run at the start, eight bytes at a time.
std::size_t ascii_run(std::string_view text) {
  std::size_t length = 0;
  for (std::uint64_t word = 0; length + sizeof word <= text.size(); length += sizeof word) {
    std::memcpy(&word, text.data() + length, sizeof word);
    if ((word & 0x8080808080808080ULL) != 0) break;
  }
  while (length < text.size() && static_cast<unsigned char>(text[length]) < 0x80) ++length;
  return length;
}

/// The length of the valid UTF-8 at the start.
std::size_t valid_run(std::string_view text) {
  std::size_t length = ascii_run(text);
  while (length < text.size()) {
    const auto sequence = common::utf8_sequence(text.substr(length));
    if (sequence == 0) break;
    length += sequence;
    length += ascii_run(text.substr(length));
  }
  return length;
}

std::string_view from_utf8(std::string_view body, std::string& storage) {
  auto valid = valid_run(body);
  if (valid == body.size()) return body;
  storage.clear();
  while (!body.empty()) {
    storage.append(body.substr(0, valid));
    body.remove_prefix(valid);
    if (body.empty()) break;
    storage.append(kReplacement);
    body.remove_prefix(1);
    valid = valid_run(body);
  }
  return storage;
}

/// US-ASCII (`last` 0x7F) or ISO 8859-1 (0xFF), without asking iconv.
std::string_view from_single_bytes(std::string_view body, unsigned char last, std::string& storage) {
  if (ascii_run(body) == body.size()) return body;
  storage.clear();
  for (const char c : body) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      storage += c;
    } else if (byte > last) {
      storage += kReplacement;
    } else {
      storage += static_cast<char>(0xC0U | byte >> 6U);
      storage += static_cast<char>(0x80U | (byte & 0x3FU));
    }
  }
  return storage;
}

/// What a server may make iconv load: charsets in use on the web, and no others (none of ISO 2022's, which escape
/// sequences switch).
constexpr std::array<std::string_view, 53> kConverted{
    "iso-8859-2",   "iso-8859-3",   "iso-8859-4",   "iso-8859-5",   "iso-8859-6",   "iso-8859-7",   "iso-8859-8",
    "iso-8859-9",   "iso-8859-10",  "iso-8859-11",  "iso-8859-13",  "iso-8859-14",  "iso-8859-15",  "iso-8859-16",
    "windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254", "windows-1255", "windows-1256",
    "windows-1257", "windows-1258", "cp1250",       "cp1251",       "cp1252",       "cp1253",       "cp1254",
    "cp1255",       "cp1256",       "cp1257",       "cp1258",       "koi8-r",       "koi8-u",       "macintosh",
    "ibm866",       "cp866",        "windows-874",  "tis-620",      "utf-16",       "utf-16le",     "utf-16be",
    "utf-32",       "utf-32le",     "utf-32be",     "shift_jis",    "euc-jp",       "euc-kr",       "gb2312",
    "gbk",          "gb18030",      "big5",         "latin-9"};

/// iconv(3) from `charset` to UTF-8.
class Converter {
 public:
  explicit Converter(std::string_view charset) {
    // glibc has no `windows-NNNN` under that name for all of them, and no `latin-9`.
    std::string name(charset);
    if (charset.starts_with("windows-")) name = "CP" + name.substr(8);
    if (charset == "latin-9") name = "ISO-8859-15";
    handle_ = ::iconv_open("UTF-8", name.c_str());
  }
  ~Converter() {
    if (usable()) ::iconv_close(handle_);
  }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  bool usable() const {
    return handle_ != reinterpret_cast<iconv_t>(-1);  // iconv_open(3) fails so
  }

  std::string convert(std::string_view body, std::size_t unit) {
    std::string out;
    std::array<char, 4096> piece{};
    char* from = const_cast<char*>(body.data());
    std::size_t left = body.size();
    char* to = nullptr;
    std::size_t room = 0;
    const auto begin_piece = [&] {
      to = piece.data();
      room = piece.size();
    };
    const auto end_piece = [&] { out.append(piece.data(), piece.size() - room); };
    while (left > 0) {
      begin_piece();
      const auto result = ::iconv(handle_, &from, &left, &to, &room);
      const int error = result == static_cast<std::size_t>(-1) ? errno : 0;
      end_piece();
      if (error == 0 || error == E2BIG) continue;
      out.append(kReplacement);
      const auto skip = std::min(unit, left);
      from += skip;
      left -= skip;
    }
    // CP1255 and CP1258 hold the last character back: a combining one might have followed.
    begin_piece();
    ::iconv(handle_, nullptr, nullptr, &to, &room);
    end_piece();
    return out;
  }

 private:
  iconv_t handle_;
};

std::size_t unit_of(std::string_view charset) {
  if (charset.starts_with("utf-16")) return 2;
  return charset.starts_with("utf-32") ? 4 : 1;
}

}  // namespace

std::string charset_of(std::string_view content_type) {
  auto rest = content_type;
  while (!rest.empty()) {
    const auto semicolon = rest.find(';');
    if (semicolon == std::string_view::npos) return {};
    rest.remove_prefix(semicolon + 1);
    const auto parameter = trim(rest.substr(0, rest.find(';')));
    const auto equals = parameter.find('=');
    if (equals == std::string_view::npos || !same(trim(parameter.substr(0, equals)), "charset")) continue;
    auto value = trim(parameter.substr(equals + 1));
    if (value.starts_with('"') || value.starts_with('\'')) value.remove_prefix(1);
    if (value.ends_with('"') || value.ends_with('\'')) value.remove_suffix(1);
    std::string out(value);
    std::ranges::transform(out, out.begin(), lower);
    return out;
  }
  return {};
}

std::string_view decode(std::string_view body, std::string_view charset, std::string& storage) {
  if (charset == "us-ascii" || charset == "ascii") return from_single_bytes(body, 0x7F, storage);
  if (charset == "iso-8859-1" || charset == "latin1" || charset == "latin-1") {
    return from_single_bytes(body, 0xFF, storage);
  }
  if (std::ranges::find(kConverted, charset) != kConverted.end()) {
    Converter converter(charset);
    if (converter.usable()) {
      storage = converter.convert(body, unit_of(charset));
      return storage;
    }
  }
  return from_utf8(body, storage);
}

}  // namespace monitor::probe
