#include "probe/request.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "probe/http_lines.h"

namespace monitor::probe {
namespace {

constexpr std::string_view kUserAgent = "monitoring-client";

void add(std::string& out, std::string_view name, std::string_view value) {
  fmt::format_to(std::back_inserter(out), "{}: {}\r\n", name, value);
}

}  // namespace

std::string write_request_head(const RequestParts& parts) {
  const auto theirs = [&](std::string_view name) {
    return std::ranges::any_of(parts.fields, [name](const HeaderField& field) { return same_text(field.name, name); });
  };
  std::string out = fmt::format("{} {} HTTP/1.1\r\n", parts.method, parts.url.target);
  const auto add_ours = [&](std::string_view name, std::string_view value) {
    if (!value.empty() && !theirs(name)) add(out, name, value);
  };
  add_ours("Host", parts.url.authority);
  add_ours("User-Agent", kUserAgent);
  add_ours("Accept", "*/*");
  if (parts.compression) add_ours("Accept-Encoding", "gzip, deflate");
  add_ours("Authorization", parts.authorization);
  for (const auto& field : parts.fields) add(out, field.name, field.value.reveal());
  // RFC 9110 §8.6
  const bool announces = parts.method == "POST" || parts.method == "PUT" || parts.method == "PATCH";
  if (announces || parts.body_bytes > 0) add(out, "Content-Length", fmt::format("{}", parts.body_bytes));
  if (parts.close) add(out, "Connection", "close");
  return out += "\r\n";
}

std::string_view method_on_the_wire(std::string_view method) {
  constexpr std::array<std::string_view, 8> kMethods{"GET",   "HEAD",   "POST",    "PUT",
                                                     "PATCH", "DELETE", "OPTIONS", "TRACE"};
  const auto* const found = std::ranges::find(kMethods, method == "OPTION" ? "OPTIONS" : method);
  return found == kMethods.end() ? std::string_view{} : *found;
}

bool is_idempotent(std::string_view method) {
  return method != "POST" && method != "PATCH";
}

std::string basic_authorization(std::string_view user, std::string_view password) {
  const auto text = fmt::format("{}:{}", user, password);
  std::string encoded((text.size() + 2) / 3 * 4 + 1, '\0');
  const auto length =
      ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                        reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  encoded.resize(static_cast<std::size_t>(length));
  return "Basic " + encoded;
}

std::string form_encoded(std::string_view text) {
  const auto plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
           c == '_' || c == '*';
  };
  std::string out;
  for (const char c : text) {
    if (plain(c)) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace monitor::probe
