#include <algorithm>
#include <cctype>
#include <memory>

#include <CLI/App.hpp>
#include <fmt/format.h>

#include "cli/cli.h"
#include "cli/command.h"
#include "cli/database_file.h"
#include "cli/external.h"
#include "cli/paths.h"
#include "cli/verify_text.h"
#include "common/error.h"
#include "common/units.h"
#include "config/faults.h"
#include "config/settings.h"
#include "report/verify.h"

namespace monitor::cli {
namespace {

struct Arguments {
  std::optional<std::string> config_path, last, agent;
  bool json = false, all_agents = false;
};

std::chrono::seconds parse_last(const std::string& text) {
  const auto last = common::parse_duration(text);
  // Beyond that no day has a partition.
  constexpr std::chrono::days kMost{36'600};
  if (last && last->count() > 0 && *last <= kMost) return *last;
  throw common::UsageError(fmt::format("--last must be a duration such as 24h or 7d, and more than nothing, not {}",
                                       config::in_quotes(text)));
}

/// In the form in which databases have it.
std::string parse_agent(std::string text) {
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto fits = [](char c, char form) {
    return form == '-' ? c == '-' : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  };
  if (std::ranges::equal(text, kForm, fits)) return text;
  throw common::UsageError(
      fmt::format("--agent must be the UUID of an agent, {}, not {}", kForm, config::in_quotes(text)));
}

int run_verify(Console& console, const Arguments& arguments) {
  report::VerifyOptions options;
  if (arguments.last) options.last = parse_last(*arguments.last);
  if (arguments.agent) options.agent = parse_agent(*arguments.agent);
  options.all_agents = arguments.all_agents;
  options.now = std::chrono::floor<common::Micros>(std::chrono::system_clock::now());
  const auto document = config::read(config_file(arguments.config_path));
  const auto uri = external_database(document, "to compare with; set external_database_uri");
  options.rollup_days = config::load(document.file).exporter.rollup_days;
  const auto found = report::verify(database_file(document), uri, options);
  console.out << (arguments.json ? verify_json(found) : verify_tables(found));
  return found.explained() ? kDone : kFailed;
}

}  // namespace

void add_verify_command(CLI::App& root, Choice& choice) {
  CLI::App& command = add_command(
      root, "verify",
      "Compare the local database with PostgreSQL: is every result where it should be?\n"
      "Per agent id of the local database: the numbers (seq) of its results here and there, which of them PostgreSQL "
      "lacks and why, recorded gaps, results that are in PostgreSQL twice or differ from those here, quarantined ones, "
      "and how many wait to be sent. Both are only read, also while the monitor runs. The exit status is 0 if "
      "everything is explained, and 1 if not, or if one of the two cannot be read.\n"
      "Results purged here can only be counted there; of results in both, every figure is compared, and no text.\n"
      "With --json: an object with the keys at, since, explained, other_agents and agents, a list of objects with the "
      "keys agent_id, local, postgresql, in_both, only_local, only_postgresql, different, different_seq, not_compared, "
      "missing, gaps, quarantined, quarantine, lag, notes, unexplained. Keys are only ever added.",
      "monitor verify\n"
      "monitor verify --last 2d --json\n"
      "monitor verify --all-agents");
  const auto arguments = std::make_shared<Arguments>();
  auto& agent = add_text(command, "--agent", arguments->agent, "UUID", "This agent alone, of this file or another.");
  add_switch(command, "--all-agents", arguments->all_agents, "Those of other files too, as far as PostgreSQL tells.")
      .excludes(&agent);
  add_text(command, "--last", arguments->last, "DURATION",
           "Only days from so long ago on (90s, 24h, 7d): quicker where PostgreSQL keeps years. Default: everything.");
  add_switch(command, "--json", arguments->json, "Print JSON instead of tables.");
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, run_verify);
}

}  // namespace monitor::cli
