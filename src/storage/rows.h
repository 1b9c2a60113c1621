// The rows of the local database as values. Plain data.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/outcome.h"
#include "common/units.h"
#include "net/tls_facts.h"

namespace monitor::storage {

using Seq = std::int64_t;
using DefinitionId = std::int64_t;

/// One distinct set of a service's settings, without secrets. Immutable once stored.
struct Definition {
  std::string key;  ///< probe::Service::key()
  std::string name;
  std::string url;
  std::string method;
  bool check_regex = false;
  std::optional<std::string> regex;
  std::chrono::seconds interval{};
  std::chrono::seconds timeout{};
  std::string settings;  ///< every other setting as one line of JSON (probe::Spec::shown); empty: all at their defaults
  bool operator==(const Definition&) const = default;
};

/// A stored definition. `fingerprint` (SHA-256 of its fields) names the same settings alike on every agent.
struct StoredDefinition : Definition {
  DefinitionId id = 0;
  std::array<std::uint8_t, 32> fingerprint{};
};

enum class Connection : std::uint8_t { kFresh = 0, kReused = 1 };

/// What is longer is cut.
inline constexpr std::size_t kMaxHopsBytes = std::size_t{16} << 10;
inline constexpr std::size_t kMaxEvidenceBytes = std::size_t{80} << 10;

/// One slot that ran. Text fields are made storable (common::storable) by Store::append.
struct Result {
  DefinitionId definition = 0;
  common::WallTime requested_at{};  ///< never changes once stored: it is part of the remote key
  common::Outcome outcome = common::Outcome::kUp;
  std::optional<std::uint16_t> status;  ///< null when no HTTP response was had
  bool contains_regex = false;
  bool capped = false;         ///< the body was longer than the limit; only its beginning was read
  bool dns_cached = false;     ///< the address came from the cache
  std::string reason;          ///< why, as a sentence; empty for `up`
  std::string remote_address;  ///< without port; empty when no connection was had
  Connection connection = Connection::kFresh;
  std::uint16_t attempt = 0;
  std::optional<common::Micros> dns, connect, tls, first_byte, transfer;  ///< null: the phase did not take place
  common::Micros total{};
  common::Micros lateness{};  ///< start minus due
  std::int64_t body_bytes = 0;
  bool retried = false;           ///< sent again on a new connection because a reused one was stale
  bool http_1_0 = false;          ///< the response's version is HTTP/1.0
  net::SharedTlsFacts tls_facts;  ///< null without TLS
  std::string hops;               ///< every hop as JSON (docs/data-model.md), if there was more than one; else empty
  std::string evidence;           ///< what was kept of the response, redacted; usually empty
};

/// TLS facts as stored once and referred to. `fingerprint` (SHA-256 of the fields) names the same alike on every agent.
struct StoredTls {
  std::int64_t id = 0;
  std::array<std::uint8_t, 32> fingerprint{};
  net::TlsFacts facts;
};

struct StoredResult : Result {  ///< `tls_facts` is null here: `tls_id` says it
  Seq seq = 0;
  std::int64_t tls_id = 0;  ///< 0: none
  common::WallTime stored_at{};
};

enum class SkipReason : std::uint8_t {
  kStillRunning = 1,   ///< the last check of the service had not ended
  kPoolExhausted = 2,  ///< too many checks at once
  kSuspended = 3,      ///< the machine slept, or the process stood still
  kStopping = 4,
  kRateLimited = 5,  ///< the host's share (`limits`) was used up
  kRetryAfter = 6,   ///< the server asked to be left alone that long
};
std::string_view name_of(SkipReason reason);

/// Slots of one service that were due in [from, to] and did not run.
struct Skipped {
  DefinitionId definition = 0;
  common::WallTime from{};
  common::WallTime to{};
  std::int64_t count = 0;
  SkipReason reason = SkipReason::kStillRunning;
};
struct StoredSkipped : Skipped {
  std::int64_t id = 0;
};

enum class GapReason : std::uint8_t {
  kDiskFull = 1,    ///< results dropped from memory while the disk was full
  kSizeCap = 2,     ///< oldest rows removed unexported at the size cap; those just on their way may have arrived
  kRemoteLost = 3,  ///< PostgreSQL lost them after they had been purged here
  kNotRunning = 4,  ///< the agent did not run
  kUnstored = 5,    ///< what still waited when the agent stopped and could not be stored
  kRefused = 6,     ///< PostgreSQL refused them, and they are remembered in quarantine no more
  kFileLost = 7,    ///< stored here and not exported when the database file was lost or damaged
};
std::string_view name_of(GapReason reason);

/// Results that existed, or should have, and are not here; `count` takes in the slots of skipped ranges that are gone.
/// `first_seq`/`last_seq` are 0 where no number was ever given, or none can be told any more.
struct Gap {
  GapReason reason = GapReason::kDiskFull;
  common::WallTime from{};
  common::WallTime to{};
  Seq first_seq = 0;
  Seq last_seq = 0;
  std::int64_t count = 0;
};
struct StoredGap : Gap {
  std::int64_t id = 0;
};

/// How far the three kinds of row have arrived; the last number sent of each.
struct Cursor {
  Seq results = 0;
  std::int64_t skipped = 0;
  std::int64_t gaps = 0;
  bool operator==(const Cursor&) const = default;
};

/// What of an epoch goes to PostgreSQL next: rows of one agent id only, in order.
struct Batch {
  std::string agent_id;  ///< UUID of the epoch these rows belong to
  std::vector<StoredResult> results;
  std::vector<StoredSkipped> skipped;
  std::vector<StoredGap> gaps;
  std::vector<std::shared_ptr<const StoredDefinition>> definitions;  ///< every one that the rows above refer to
  std::vector<StoredTls> tls;                                        ///< likewise
  Cursor behind;                                                     ///< what it follows
  bool more = false;                                                 ///< it ends here because of a bound of its own
  bool empty() const { return results.empty() && skipped.empty() && gaps.empty(); }
};

/// The current epoch and where it stands.
struct Identity {
  std::string agent_id;  ///< UUID
  Cursor first;          ///< the first number of each kind that belongs to this epoch
  Cursor head;           ///< the highest number of each kind ever given here (first − 1 when none)
  Cursor exported;       ///< exported_through as marked; below `first` while rows of an older epoch wait
  Cursor ours;           ///< PostgreSQL can have numbers up to here from this file; what it has above, another sent
};

/// An epoch, and the highest number of each kind behind the marked cursor that is still here and not quarantined; 0
/// when none. PostgreSQL has had every one of these.
struct EpochStand {
  std::string agent_id;  ///< UUID
  Cursor first;          ///< the first number of each kind that belongs to it
  Cursor sent;
};

/// What tells a row of one file from a row of another that has the same number: when a result was requested, or the
/// ends of a skipped range or a gap.
struct Mark {
  std::int64_t number = 0;
  common::WallTime from;
  common::WallTime to;
  bool operator==(const Mark&) const = default;
};

/// In the order of their numbers.
struct Marks {
  std::vector<Mark> results;
  std::vector<Mark> skipped;
  std::vector<Mark> gaps;
};

/// Bytes of the texts of `result`, which have no bound of their own worth the name.
inline std::size_t text_bytes_of(const Result& result) {
  return result.reason.size() + result.remote_address.size() + result.hops.size() + result.evidence.size();
}

inline std::size_t text_bytes_of(const Definition& definition) {
  return definition.key.size() + definition.name.size() + definition.url.size() + definition.method.size() +
         (definition.regex ? definition.regex->size() : 0) + definition.settings.size();
}

struct Quarantined {
  Seq seq = 0;
  std::string sqlstate;
  std::string reason;
};

}  // namespace monitor::storage
