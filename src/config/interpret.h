// What the nodes of a configuration mean: the one place that knows its keys and their rules. Pure but for the
// environment.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/document.h"
#include "config/expand.h"
#include "config/faults.h"
#include "config/tree.h"

namespace monitor::config {

struct Warning {
  std::uint32_t position = 0;
  std::string sentence;
};

enum class Values {
  kTyped,      ///< as the `config` commands need them: a value that holds `${NAME}` is not judged
  kUnwritten,  ///< the same for what is in no file yet, so that no sentence speaks of lines
  kExpanded    ///< as the application needs them, with every file read that a service names
};

/// How what is written is to be taken.
struct Reading {
  /// Not explicit: mostly this is all there is to say.
  Reading(Values as) : values(as) {}
  Reading(Values as, std::filesystem::path beside) : values(as), file(std::move(beside)) {}

  Values values;
  std::filesystem::path file;   ///< files that a service names are looked for beside it; for kExpanded
  std::optional<bool> expands;  ///< whether `${NAME}` stands for a variable; unset: in YAML it does, in JSON not
  bool part = false;            ///< some keys of a service: what keys must keep together is not judged
};

/// The document, and its values with `${NAME}` expanded where they are needed so. Unset: not in the file.
struct Interpretation {
  Document document;  ///< services in the order of the file
  std::string local_database_path, external_database_uri, external_database_uri_file;
  std::uint32_t uri_file_position = 0;
  std::optional<std::chrono::seconds> keep_exported, local_retention, remote_retention, stop_grace;
  std::optional<std::chrono::seconds> rollup_hours, rollup_days;
  std::optional<std::uint64_t> local_max_size;
  std::optional<bool> dns_cache;
  std::vector<std::string> deny_networks;
  std::vector<Warning> warnings;
  std::vector<std::filesystem::path> exposed;  ///< files with a secret that everyone may read
  bool holds_secret = false;                   ///< a password stands in the file itself
};

/// Judges the whole tree; what breaks a rule is added to `faults`.
Interpretation interpret(const Tree& tree, const Reading& reading, Faults& faults);

}  // namespace monitor::config
