#include <algorithm>
#include <memory>
#include <string>

#include <CLI/App.hpp>
#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "app/check_database.h"
#include "app/local_database.h"
#include "cli/answer.h"
#include "cli/command.h"
#include "cli/database_file.h"
#include "cli/paths.h"
#include "cli/tables.h"
#include "common/units.h"

namespace monitor::cli {
namespace {

namespace json = boost::json;

struct Arguments {
  std::optional<std::string> config_path;
  bool json = false;
};

std::filesystem::path database_of(const Arguments& arguments) {
  return database_file(config::read(config_file(arguments.config_path)));
}

int check(Console& console, const Arguments& arguments) {
  const auto database = database_of(arguments);
  const auto findings = app::check_database(database);
  if (arguments.json) {
    console.out << json_line(
        {{"sound", findings.empty()}, {"findings", json::array(findings.begin(), findings.end())}});
  } else if (findings.empty()) {
    console.out << fmt::format("{} is sound.\n", shown(database));
  } else {
    Table table{{"Finding"}, {}};
    for (const auto& finding : findings) table.rows.push_back({finding});
    console.out << render(table);
  }
  return findings.empty() ? kDone : kFailed;
}

Table kinds_table(const json::object& stats) {
  Table table{{"Kind", "Here", "Oldest number", "Newest number", "Exported through"}, {}};
  for (const auto* kind : {"results", "skipped", "gaps"}) {
    const auto& rows = object_at(stats, kind);
    table.rows.push_back({kind, cell_at(rows, "here"), cell_at(rows, "oldest"), cell_at(rows, "newest"),
                          cell_at(rows, "exported_through")});
  }
  return table;
}

std::string stats_page(const json::object& stats) {
  const Table sizes{{"Name", "Value"},
                    {{"File", size_at(stats, "file_bytes")},
                     {"Free pages in it", size_at(stats, "free_bytes")},
                     {"Roll-ups in it", size_at(stats, "rollup_bytes")},
                     {"Log beside it (-wal)", size_at(stats, "log_bytes")},
                     {"Oldest result", cell_at(stats, "oldest_result_at")},
                     {"Newest result", cell_at(stats, "newest_result_at")},
                     {"In quarantine", cell_at(stats, "quarantined")},
                     {"Services and settings seen", cell_at(stats, "definitions")},
                     {"Outages", cell_at(stats, "outages")},
                     {"Agent ids", cell_at(stats, "agent_ids")},
                     {"Schema", cell_at(stats, "schema")}}};
  return render(sizes) + render(kinds_table(stats));
}

int stats(Console& console, const Arguments& arguments) {
  auto answer = app::perform(database_of(arguments), {{"command", "db-stats"}});
  console.out << (arguments.json ? json_line(std::move(answer)) : stats_page(answer));
  return kDone;
}

/// A step at a time, so that the daemon is never busy with it for long.
int compact(Console& console, const Arguments& arguments) {
  const auto database = database_of(arguments);
  std::optional<std::int64_t> before;
  json::object answer;
  do {
    answer = app::perform(database, {{"command", "db-compact"}});
    if (!before) before = number_at(answer, "before_bytes");
  } while (flag_at(answer, "more"));
  answer["before_bytes"] = *before;
  answer["freed_bytes"] = std::max<std::int64_t>(*before - number_at(answer, "after_bytes"), 0);
  if (arguments.json) {
    console.out << json_line(std::move(answer));
  } else {
    console.out << fmt::format("{} before, {} now: {} were given back.\n", size_at(answer, "before_bytes"),
                               size_at(answer, "after_bytes"), size_at(answer, "freed_bytes"));
  }
  return kDone;
}

void define(CLI::App& db, Choice& choice, const std::string& name, const std::string& description,
            int (*run)(Console&, const Arguments&)) {
  CLI::App& command =
      add_command(db, name, description, fmt::format("monitor db {}\nmonitor db {} --json", name, name));
  const auto arguments = std::make_shared<Arguments>();
  add_switch(command, "--json", arguments->json, "Print one line of JSON instead.");
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, run);
}

}  // namespace

void add_db_commands(CLI::App& root, Choice& choice) {
  CLI::App& db = add_group(root, "db", "Look after the local database, also while the monitor runs.");
  define(db, choice, "check",
         "Check that the local database is sound: what SQLite says of the file, and that its rows fit together.\n"
         "Reads all of it on a connection that never writes. The status is 1 if anything is found.",
         check);
  define(db, choice, "stats", "Show what the local database holds and takes.", stats);
  define(db, choice, "compact",
         "Give the local database's free pages back to the disk.\n"
         "In short steps, by the monitor itself where it runs; commits go on between them.",
         compact);
}

}  // namespace monitor::cli
