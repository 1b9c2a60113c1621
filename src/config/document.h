// The configuration file as it is written: what the `config` commands read, change and save. No `${NAME}` is expanded
// here and no secret file is read. Not thread-safe; whole changes are serialized between processes by a lock file.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "probe/options.h"

namespace monitor::config {

enum class Format { kYaml, kJson };

struct IntervalLimits {
  std::chrono::seconds min{5};
  std::chrono::seconds max{300};
};

/// What one host may be asked for, and which may not be asked at all; 0: without a limit.
struct HostLimits {
  std::optional<int> concurrency;  ///< `per_host_concurrency`, checks at once
  std::optional<int> rate_tenths;  ///< `per_host_rate`, tenths of a check a second
  std::vector<std::string> deny_networks{};
  bool operator==(const HostLimits&) const = default;
};

/// How long roll-ups stay; as typed.
struct RollupAges {
  std::optional<std::string> hours, days;
  bool operator==(const RollupAges&) const = default;
};

/// Everything the file may say; unset members are not written. Adding a key means adding it here, in reader and writer.
struct Document {
  std::filesystem::path file;
  Format format = Format::kYaml;
  bool has_comments = false;    ///< saving would lose hand-written comments: all but those in `opening_comment`
  std::string opening_comment;  ///< the comment lines a YAML file begins with, which saving keeps
  std::string local_database_path;
  std::optional<std::string> external_database_uri;
  std::optional<std::string> external_database_uri_file;
  std::optional<IntervalLimits> interval_limits;
  std::optional<HostLimits> limits;
  std::optional<bool> worker_agent, worker_exporter, worker_collector, watch_config;
  std::optional<std::string> keep_exported, local_retention, local_max_size, remote_retention, stop_grace, dns_cache;
  std::optional<RollupAges> rollups;
  std::vector<probe::Service> services;  ///< sorted as the tables show them: by the text url+method+check_regex+regex
};

/// Puts `services` into the order of the tables, in which NUMBERs count; done by every function here that saves.
void sort_services(Document& document);

/// Throws common::UsageError: unreadable, not strict YAML/JSON, or a rule broken: one line per fault,
/// `FILE:LINE:COLUMN: sentence`, all faults at once.
Document read(const std::filesystem::path& file);

/// The position in `services` of the service that `number_or_name` addresses. Throws common::UsageError when none does.
std::size_t find_service(const Document& document, const std::string& number_or_name);

/// Writes a new file (0600, its folder 0700 if it has to be made). Throws common::UsageError if the file exists, unless
/// `force`, if it could not be used there (see real_file_to_make()), or if the document breaks a rule (one line per
/// fault, `SERVICE: sentence`); common::Error if it cannot be written.
void create(const Document& document, bool force);

/// Throws common::UsageError if the document breaks a rule that create() and update() hold it to.
void require_valid(const Document& document);

/// Reads `file` under its lock, lets `change` edit the document, validates what came out, and saves it atomically
/// (beside it, fsync, rename, fsync of the folder); returns what was saved. Throws as read() and create() do, and
/// common::Error if another process holds the lock for 10 s or an editor saved the file meanwhile. Anything thrown
/// leaves the file untouched.
Document update(const std::filesystem::path& file, const std::function<void(Document&)>& change);

/// Deletes the file under its lock and, where `file` is a link to it, that link. Throws common::UsageError if there is
/// none, common::Error if it cannot be deleted.
void remove(const std::filesystem::path& file);

}  // namespace monitor::config
