// What a check asks for and expects, as the configuration says it. Plain data, and the rules its values must keep.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/secret.h"
#include "common/units.h"
#include "net/options.h"

namespace monitor::probe {

inline constexpr std::size_t kDefaultBodyLimit = std::size_t{1} << 20;
inline constexpr std::size_t kMaxUrlCharacters = 2083;

inline constexpr std::size_t kDefaultEvidenceBytes = 4096;

/// One field of the request. The value may hold a secret.
struct HeaderField {
  std::string name;
  common::Secret value;
  bool operator==(const HeaderField&) const = default;
};

/// How we say who we are (RFC 7617, RFC 6750, RFC 6749 §4.4).
struct Auth {
  enum class Kind : std::uint8_t { kNone, kBasic, kBearer, kOauth2 };
  Kind kind = Kind::kNone;
  std::string user;       ///< basic: the user; oauth2: the client id
  common::Secret secret;  ///< basic: the password; bearer: the token; oauth2: the client secret
  std::string token_url;  ///< oauth2: where tokens are had
  std::string scope;      ///< oauth2: scopes, separated by spaces; may be empty
  bool operator==(const Auth&) const = default;
};

struct Redirects {
  bool follow = false;
  int max = 10;  ///< hops after the first, 1 to 20
  bool operator==(const Redirects&) const = default;
};

/// Host and port as typed: a name or a literal address without brackets.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
  bool operator==(const HostPort&) const = default;
};

struct StatusRange {
  std::uint16_t from = 200, to = 399;  ///< both included, 100 to 999
  bool operator==(const StatusRange&) const = default;
};

struct HeaderRule {
  std::string name;     ///< of the field; any case
  std::string pattern;  ///< RE2, searched for in each value of the field; empty: the field's presence alone counts
  bool operator==(const HeaderRule&) const = default;
};

/// What a value of the JSON body must be.
struct JsonRule {
  enum class Is : std::uint8_t { kEqual, kNotEqual, kExisting, kMissing, kBelow, kAtMost, kAbove, kAtLeast };
  std::string pointer;  ///< RFC 6901; empty: the whole document
  Is is = Is::kExisting;
  std::string value;    ///< JSON text to compare with; a number for the four orders; empty for kExisting and kMissing
  bool hidden = false;  ///< a `${NAME}` gave part of `value`: no sentence may show it
  bool operator==(const JsonRule&) const = default;
};

/// What makes a response good. Unset: not asked for.
struct Expect {
  std::vector<StatusRange> status;               ///< empty: 200–399
  std::vector<std::string> body, body_not;       ///< RE2: each must match; none may match
  std::vector<HeaderRule> headers, headers_not;  ///< each must match; none may match
  std::vector<JsonRule> json;                    ///< each must hold
  std::optional<common::Micros> max_time;        ///< of the whole check; above it: `too_slow`
  std::optional<common::Micros> max_dns, max_connect, max_tls, max_first_byte, max_transfer;
  std::optional<common::Micros> warn_time;  ///< of the whole check; above it: `degraded`
  std::optional<int> cert_days;             ///< days the certificate must still be valid
  std::optional<net::TlsVersion> tls_min;
  std::string sha256;  ///< of the decoded body, 64 lower-case hex digits; empty: not asked for
  bool operator==(const Expect&) const = default;
};

/// What is kept of the first bad response after a good one, and of the first good one after that.
struct EvidenceOptions {
  std::size_t bytes = kDefaultEvidenceBytes;  ///< of the body, 0 to 64 KiB
  bool none = false;                          ///< keep nothing at all
  std::vector<std::string> redact;            ///< RE2: what matches becomes `***`
  bool operator==(const EvidenceOptions&) const = default;
};

/// A failure confirmed quickly: up to `times` checks more, `every` after the last one ended, until one is not down.
struct Recheck {
  int times = 0;  ///< 0 to 10
  std::chrono::seconds every{5};
  bool operator==(const Recheck&) const = default;
};

/// What a service may say beyond the predecessor's keys: how it is asked, and what is expected of the answer. With
/// every `${NAME}` expanded and every secret file read. Services that say the same share one.
struct Spec {
  std::vector<HeaderField> headers;
  common::Secret body;
  Auth auth;
  net::TlsOptions tls;
  Redirects redirects;
  net::AddressFamily family = net::AddressFamily::kAny;
  std::optional<HostPort> connect_to;  ///< where the connection goes instead of the URL's host and port
  std::string resolver;                ///< `127.0.0.1`, `[::1]:5353`: the name server to ask instead of the system's
  std::string proxy;                   ///< `http://[user:password@]host:port`; holds a secret
  bool reuse = false;                  ///< `connection: reuse`
  bool compression = false;            ///< ask for gzip and deflate, and decode them
  Expect expect;
  EvidenceOptions evidence;
  Recheck recheck;
  std::string shown;                   ///< all of it as one line of JSON, as typed but without secrets: what is stored
  std::vector<common::Secret> values;  ///< what each `${NAME}` in a text of it became: no sentence may show one
  bool operator==(const Spec&) const = default;
};

/// One monitored endpoint.
struct Service {
  std::string name;    ///< empty: the service is known by its other fields
  std::string url;     ///< as typed, `${NAME}` unexpanded: what is shown and stored (user:password@ never is)
  std::string target;  ///< `url` with `${NAME}` expanded: what is requested; never stored, never logged
  std::string method;  ///< one of allowed_methods(); `OPTION` is the predecessor's spelling of OPTIONS
  bool check_regex = false;
  std::optional<std::string> regex;
  std::chrono::seconds interval{5};
  std::chrono::seconds timeout{15};
  std::size_t body_limit = kDefaultBodyLimit;  ///< bytes of a body that are read and matched
  std::string settings;               ///< `extra` as typed: one JSON object, may hold secrets; empty when loaded to run
  std::shared_ptr<const Spec> extra;  ///< null: every default

  /// What phase, history and reload go by: the name, or else method + url + check_regex + regex (DESIGN: "Service").
  std::string key() const;
  /// What a person knows it by: the name, or `GET https://…`.
  std::string label() const;
  /// The same for the log: without the values of the URL's query.
  std::string log_label() const;
  const Spec& spec() const;
};

const std::vector<std::string>& allowed_methods();

/// Each returns why the value cannot be used and what to write instead, or nothing when it can. No sentence quotes a
/// URL, which may hold a password.
std::optional<std::string> refuse_method(std::string_view method);
/// For the URL with every `${NAME}` expanded (`target`); without an expansion the two are the same.
std::optional<std::string> refuse_url(std::string_view url);
std::optional<std::string> refuse_regex(std::string_view pattern);
std::optional<std::string> refuse_name(std::string_view name);
/// RFC 9110 §5.5 and §5.6.2. What frames a message or speaks of the connection is for us to say.
std::optional<std::string> refuse_header(std::string_view name, std::string_view value);
/// Of basic authentication (RFC 7617 §2).
std::optional<std::string> refuse_credentials(std::string_view user, std::string_view password);
/// Of bearer authentication (RFC 6750 §2.1).
std::optional<std::string> refuse_token(std::string_view token);
/// With every `${NAME}` expanded.
std::optional<std::string> refuse_proxy(std::string_view url);
std::optional<std::string> refuse_place(const HostPort& place);
/// For a URL whose host is an address: whether it is of another family than the one that is asked for.
std::optional<std::string> refuse_family(std::string_view url, net::AddressFamily family);

/// `2xx`, `200-299`, `404`: what `expect.status` may say. Nothing for any other text.
std::optional<StatusRange> parse_status(std::string_view text);
/// RFC 6901.
std::optional<std::string> refuse_json_pointer(std::string_view pointer);
/// For JsonRule::value.
std::optional<std::string> refuse_json_value(std::string_view value, JsonRule::Is is);
/// For EvidenceOptions::redact.
std::optional<std::string> refuse_redaction(std::string_view pattern);
/// 64 hexadecimal digits of either case.
std::optional<std::string> refuse_sha256(std::string_view digest);

/// `url` without user and password, for showing and storing.
std::string without_userinfo(std::string_view url);
/// `url` with `***` for each value in its query, for the log.
std::string without_query_values(std::string_view url);

}  // namespace monitor::probe
