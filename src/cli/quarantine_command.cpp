#include <charconv>
#include <memory>
#include <string>
#include <vector>

#include <CLI/App.hpp>
#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "app/local_database.h"
#include "cli/answer.h"
#include "cli/command.h"
#include "cli/database_file.h"
#include "cli/paths.h"
#include "cli/prompt.h"
#include "cli/tables.h"
#include "common/error.h"
#include "config/faults.h"

namespace monitor::cli {
namespace {

namespace json = boost::json;

struct ListArguments {
  std::optional<std::string> config_path;
  bool json = false;
};

struct ChangeArguments {
  std::optional<std::string> config_path;
  std::vector<std::string> seqs;
  bool all = false, json = false, yes = false;
};

std::filesystem::path database_of(const std::optional<std::string>& config_path) {
  return database_file(config::read(config_file(config_path)));
}

/// All of it, a page at a time.
json::array rows_of(const std::filesystem::path& database) {
  json::array rows;
  for (bool more = true; more;) {
    const std::int64_t after = rows.empty() ? 0 : number_at(rows.back().as_object(), "seq");
    const auto answer = app::perform(database, {{"command", "quarantine-list"}, {"after", after}});
    const auto* page = answer.if_contains("rows");
    if (page == nullptr || !page->is_array()) break;
    for (const auto& row : page->get_array()) {
      if (row.is_object()) rows.push_back(row);
    }
    more = flag_at(answer, "more") && !page->get_array().empty();
  }
  return rows;
}

int list_quarantine(Console& console, const ListArguments& arguments) {
  auto rows = rows_of(database_of(arguments.config_path));
  if (arguments.json) {
    console.out << json_line({{"rows", std::move(rows)}});
    return kDone;
  }
  if (rows.empty()) {
    console.out << "No result is in quarantine.\n";
    return kDone;
  }
  Table table{{"Number", "Service", "Requested at", "SQLSTATE", "Reason"}, {}};
  for (const auto& value : rows) {
    const auto& row = value.get_object();
    table.rows.push_back({cell_at(row, "seq"), cell_at(row, "service"), cell_at(row, "requested_at"),
                          cell_at(row, "sqlstate"), cell_at(row, "reason")});
  }
  console.out << render(table);
  return kDone;
}

std::int64_t number_of(const std::string& typed) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(typed.data(), typed.data() + typed.size(), number);
  if (error == std::errc() && end == typed.data() + typed.size() && number > 0) return number;
  throw common::UsageError(
      fmt::format("{} is no number of a result; `monitor quarantine list` shows them", config::in_quotes(typed)));
}

json::object request_for(const char* command, const ChangeArguments& arguments) {
  json::object request{{"command", command}};
  if (arguments.all == !arguments.seqs.empty()) {
    throw common::UsageError("name the results by their numbers, or give --all; `monitor quarantine list` shows them");
  }
  if (arguments.all) {
    request["all"] = true;
    return request;
  }
  json::array seqs;
  for (const auto& typed : arguments.seqs) seqs.emplace_back(number_of(typed));
  request["seqs"] = std::move(seqs);
  return request;
}

/// What was named and is not there is a failure; that there is nothing at all is none.
int ended(const ChangeArguments& arguments, std::int64_t count) {
  return arguments.all || count == static_cast<std::int64_t>(arguments.seqs.size()) ? kDone : kFailed;
}

int retry(Console& console, const ChangeArguments& arguments) {
  const auto request = request_for("quarantine-retry", arguments);
  auto answer = app::perform(database_of(arguments.config_path), request);
  const auto count = number_at(answer, "count");
  const auto gone = number_at(answer, "gone");
  if (arguments.json) {
    console.out << json_line(std::move(answer));
    return ended(arguments, count);
  }
  console.out << fmt::format("{} results go to PostgreSQL again.\n", count);
  if (gone > 0) {
    console.out << fmt::format(
        "{} were purged meanwhile and stay in quarantine; `monitor quarantine drop` records them as lost.\n", gone);
  }
  return ended(arguments, count);
}

int drop(Console& console, const ChangeArguments& arguments) {
  const auto request = request_for("quarantine-drop", arguments);
  const auto database = database_of(arguments.config_path);
  confirm(console, "The results will never be in PostgreSQL; they are recorded as a gap. Go on?", arguments.yes);
  auto answer = app::perform(database, request);
  const auto count = number_at(answer, "count");
  console.out << (arguments.json ? json_line(std::move(answer))
                                 : fmt::format("{} results are given up and recorded as a gap.\n", count));
  return ended(arguments, count);
}

std::shared_ptr<ChangeArguments> add_change_options(CLI::App& command) {
  const auto arguments = std::make_shared<ChangeArguments>();
  command.add_option("NUMBER", arguments->seqs, "The results, by the numbers that `monitor quarantine list` shows.")
      ->type_name("");
  add_switch(command, "--all", arguments->all, "All of them.");
  add_switch(command, "--json", arguments->json, "Print one line of JSON instead.");
  add_config_path(command, arguments->config_path);
  return arguments;
}

void define_list(CLI::App& quarantine, Choice& choice) {
  CLI::App& command = add_command(quarantine, "list", "List the results that PostgreSQL refused, and why.",
                                  "monitor quarantine list\nmonitor quarantine list --json");
  const auto arguments = std::make_shared<ListArguments>();
  add_switch(command, "--json", arguments->json, "Print one line of JSON instead of a table.");
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, list_quarantine);
}

}  // namespace

void add_quarantine_commands(CLI::App& root, Choice& choice) {
  CLI::App& quarantine = add_group(root, "quarantine",
                                   "Look after results that PostgreSQL refused.\n"
                                   "Through the monitor that runs, or on the local database while none does.");
  define_list(quarantine, choice);
  CLI::App& retried = add_command(quarantine, "retry",
                                  "Send results of the quarantine to PostgreSQL again, once what it refused in them "
                                  "has been mended there.",
                                  "monitor quarantine retry --all\nmonitor quarantine retry 17 21");
  choose(retried, choice, add_change_options(retried), retry);
  CLI::App& dropped = add_command(quarantine, "drop",
                                  "Give results of the quarantine up: they become a recorded gap, which is exported.",
                                  "monitor quarantine drop 17\nmonitor quarantine drop --all --yes");
  const auto arguments = add_change_options(dropped);
  add_yes(dropped, arguments->yes, "Give them up without a confirmation prompt.");
  choose(dropped, choice, arguments, drop);
}

}  // namespace monitor::cli
