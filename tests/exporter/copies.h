// Copies of a local database, and what to ask PostgreSQL about rows that several files may have sent.
#pragma once

#include <filesystem>

namespace monitor::exporter {

/// The files of a database as a crash of the machine would leave them. The target keeps its inode, and the lock file
/// comes too: the store itself sees that a file is another one, and what is tested here is what PostgreSQL tells the
/// exporter.
inline void copy_database(const std::filesystem::path& from, const std::filesystem::path& to) {
  for (const char* suffix : {"", "-wal", ".lock"}) {
    auto source = from;
    auto target = to;
    source += suffix;
    target += suffix;
    if (std::filesystem::exists(source)) {
      std::filesystem::copy_file(source, target, std::filesystem::copy_options::overwrite_existing);
    } else {
      std::filesystem::remove(target);
    }
  }
}

/// How often one number of one agent stands for two results, or was lost between here and there.
inline constexpr const char* kTwice =
    "SELECT (count(*) - count(DISTINCT (agent, seq))) || ' ' || count(*) FROM monitoring_results";
/// Results, distinct ones by the moment they were requested, agents.
inline constexpr const char* kDistinct =
    "SELECT count(*) || ' ' || count(DISTINCT (definition, request_timestamp)) || ' ' || count(DISTINCT agent) FROM "
    "monitoring_results";

}  // namespace monitor::exporter
