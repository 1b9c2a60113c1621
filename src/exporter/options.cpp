#include "exporter/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace monitor::exporter {
namespace {

constexpr std::array<std::string_view, 2> kSchemes{"postgresql://", "postgres://"};
constexpr std::string_view kMask = "***";
constexpr std::string_view kExample =
    "write it as postgresql://USER:PASSWORD@HOST:5432/DATABASE (characters such as @ : / ? # % in a password as %40 "
    "%3A %2F %3F %23 %25) or as host=HOST dbname=DATABASE user=USER password='PASSWORD'";

// What libpq 15 to 17 know; `ssl` is an alias that it takes in URIs alone.
constexpr std::array<std::string_view, 47> kParameters{"application_name",
                                                       "authtype",
                                                       "channel_binding",
                                                       "client_encoding",
                                                       "connect_timeout",
                                                       "dbname",
                                                       "fallback_application_name",
                                                       "gssdelegation",
                                                       "gssencmode",
                                                       "gsslib",
                                                       "host",
                                                       "hostaddr",
                                                       "keepalives",
                                                       "keepalives_count",
                                                       "keepalives_idle",
                                                       "keepalives_interval",
                                                       "krbsrvname",
                                                       "load_balance_hosts",
                                                       "max_protocol_version",
                                                       "min_protocol_version",
                                                       "options",
                                                       "passfile",
                                                       "password",
                                                       "port",
                                                       "replication",
                                                       "require_auth",
                                                       "requirepeer",
                                                       "requiressl",
                                                       "service",
                                                       "servicefile",
                                                       "ssl",
                                                       "ssl_max_protocol_version",
                                                       "ssl_min_protocol_version",
                                                       "sslcert",
                                                       "sslcertmode",
                                                       "sslcompression",
                                                       "sslcrl",
                                                       "sslcrldir",
                                                       "sslkey",
                                                       "sslmode",
                                                       "sslnegotiation",
                                                       "sslpassword",
                                                       "sslrootcert",
                                                       "sslsni",
                                                       "target_session_attrs",
                                                       "tcp_user_timeout",
                                                       "user"};

/// A part of the text, from `begin` up to `end`.
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// What a reading of the text found: where its passwords stand, and what is wrong with it (empty: nothing). A problem
/// never quotes the text: whatever is mistyped may be a piece of a password.
struct Reading {
  std::vector<Span> secrets;
  std::string problem;
};

bool is_secret(std::string_view key) {
  return key == "password" || key == "sslpassword";
}

bool is_known(std::string_view key) {
  return std::binary_search(kParameters.begin(), kParameters.end(), key);
}

std::string_view scheme_of(std::string_view text) {
  for (const auto scheme : kSchemes) {
    if (text.starts_with(scheme)) return scheme;
  }
  return {};
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// RFC 3986 §2.1; nothing where a `%` is not followed by two digits, or stands for NUL.
std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 1 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0 || high + low == 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string port_problem(std::string_view port) {
  if (port.empty()) return {};
  int number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  const bool whole = error == std::errc{} && end == port.data() + port.size();
  return whole && number >= 1 && number <= 65535 ? "" : "its port is not a number from 1 to 65535";
}

/// `host`, `host:port`, `[v6]:port`; each part may be empty.
std::string host_problem(std::string_view host) {
  if (host.find('@') != std::string_view::npos) return "it has more than one @";
  std::string_view after = host;
  if (host.starts_with('[')) {
    const auto close = host.find(']');
    if (close == std::string_view::npos || close == 1) return "the [ of its IPv6 address is never closed";
    after = host.substr(close + 1);
    if (!after.empty() && after.front() != ':') return "something other than a port follows its IPv6 address";
  }
  const auto colon = after.find(':');
  return colon == std::string_view::npos ? "" : port_problem(after.substr(colon + 1));
}

void read_query(std::string_view query, std::size_t offset, Reading& out) {
  std::size_t number = 0;
  for (const auto pair : split(query, '&')) {
    ++number;
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos || pair.find('=', equals + 1) != std::string_view::npos) {
      out.problem = fmt::format("parameter {} behind its ? is not of the form key=value", number);
      return;
    }
    const auto key = percent_decoded(pair.substr(0, equals));
    if (!key || !is_known(*key)) {
      out.problem = fmt::format("parameter {} behind its ? is none that libpq knows", number);
      return;
    }
    if (is_secret(*key)) out.secrets.push_back({offset + equals + 1, offset + pair.size()});
    if (!percent_decoded(pair.substr(equals + 1))) out.problem = "a % in it is not followed by two hexadecimal digits";
    offset += pair.size() + 1;
  }
}

/// As libpq's own reader takes it apart: user and password end at the first @ that comes before a /.
Reading read_uri(std::string_view text, std::size_t scheme_length) {
  Reading out;
  std::size_t at = scheme_length;
  const auto credentials_end = text.find_first_of("@/", at);
  if (credentials_end != std::string_view::npos && text[credentials_end] == '@') {
    const auto colon = text.substr(0, credentials_end).find(':', at);
    if (colon != std::string_view::npos) out.secrets.push_back({colon + 1, credentials_end});
    at = credentials_end + 1;
  }
  const auto hosts_end = std::min(text.find_first_of("/?", at), text.size());
  for (const auto host : split(text.substr(at, hosts_end - at), ',')) {
    if (out.problem.empty()) out.problem = host_problem(host);
  }
  const auto question = std::min(text.find('?', hosts_end), text.size());
  if (text.substr(hosts_end, question - hosts_end).find('@') != std::string_view::npos) {
    out.problem = "it has an @ behind its host";
  }
  if (!percent_decoded(text.substr(0, question))) {
    out.problem = "a % in it is not followed by two hexadecimal digits";
  }
  if (question + 1 < text.size() && out.problem.empty()) {
    read_query(text.substr(question + 1), question + 1, out);
  }
  return out;
}

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

/// Reads `key = value key='quoted \' value'`, libpq's keyword form.
class KeywordReader {
 public:
  explicit KeywordReader(std::string_view text) : text_(text) {}

  Reading read() {
    for (std::size_t number = 1; skip_spaces() && out_.problem.empty(); ++number) read_pair(number);
    return std::move(out_);
  }

 private:
  bool skip_spaces() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    return at_ < text_.size();
  }

  void read_pair(std::size_t number) {
    const auto begin = at_;
    while (at_ < text_.size() && text_[at_] != '=' && !is_space(text_[at_])) ++at_;
    const auto key = text_.substr(begin, at_ - begin);
    if (!skip_spaces() || text_[at_] != '=') {
      out_.problem = fmt::format("item {} of it is not of the form key=value", number);
      return;
    }
    if (!is_known(key) || key == "ssl") {
      out_.problem = fmt::format("key {} of it is none that libpq knows", number);
      return;
    }
    ++at_;
    skip_spaces();
    const auto value = at_;
    if (!skip_value()) out_.problem = "a quoted value in it is never closed";
    if (is_secret(key)) out_.secrets.push_back({value, at_});
  }

  /// False: the closing quote is missing.
  bool skip_value() {
    const bool quoted = at_ < text_.size() && text_[at_] == '\'';
    if (quoted) ++at_;
    while (at_ < text_.size() && (quoted ? text_[at_] != '\'' : !is_space(text_[at_]))) {
      at_ += text_[at_] == '\\' && at_ + 1 < text_.size() ? 2 : 1;
    }
    if (!quoted) return true;
    if (at_ >= text_.size()) return false;
    ++at_;
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Reading out_;
};

Reading read(std::string_view text) {
  if (const auto scheme = scheme_of(text); !scheme.empty()) return read_uri(text, scheme.size());
  if (text.find("://") != std::string_view::npos && text.find_first_of("= ") > text.find("://")) {
    return {{}, "its scheme is not postgresql:// or postgres://"};
  }
  if (text.find('=') == std::string_view::npos) return {{}, "it has neither postgresql:// nor a key=value"};
  return KeywordReader(text).read();
}

}  // namespace

std::string masked_uri(const std::string& uri) {
  if (uri.empty()) return {};
  const Reading reading = read(uri);
  // What cannot be read cannot be masked in part.
  if (!reading.problem.empty()) return std::string(scheme_of(uri)) + std::string(kMask);
  std::string out;
  std::size_t at = 0;
  for (const auto [begin, end] : reading.secrets) {
    out.append(uri, at, begin - at);
    if (end > begin) out += kMask;
    at = end;
  }
  return out.append(uri, at);
}

std::optional<std::string> refuse_uri(const std::string& uri) {
  std::string problem = uri.empty() ? "it is empty" : read(uri).problem;
  if (uri.find('\0') != std::string::npos) problem = "it holds a NUL byte";
  if (problem.empty()) return std::nullopt;
  return fmt::format("this is not a PostgreSQL URI: {}; {}", problem, kExample);
}

}  // namespace monitor::exporter
