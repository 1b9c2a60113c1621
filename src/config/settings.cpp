#include "config/settings.h"

#include <fmt/format.h>

#include "common/error.h"
#include "common/text.h"
#include "config/expand.h"
#include "config/faults.h"
#include "config/file.h"
#include "config/interpret.h"
#include "config/reader.h"
#include "config/secret.h"

namespace monitor::config {
namespace {

constexpr std::string_view kDefaultFile = "~/.monitoring/monitoring-config";

std::filesystem::path in_home(const std::string& path) {
  if (auto expanded = expand_home(path)) return *expanded;
  throw common::UsageError(
      fmt::format("the home folder for {} is not known; set HOME, or write the whole path", in_quotes(path)));
}

/// The URI from the file that the configuration names; empty where that is empty.
void read_uri_file(const Interpretation& in, const std::filesystem::path& file, Faults& faults, Settings& out) {
  if (in.external_database_uri_file.empty()) return;
  try {
    auto secret = read_secret(in.external_database_uri_file, file);
    if (secret.others_may_read && !secret.text.empty()) {
      out.warnings.push_back(world_readable(secret.file));
    }
    if (secret.text.empty()) return;
    if (auto why = exporter::refuse_uri(secret.text)) {
      faults.add(in.uri_file_position, fmt::format("{}: {}", common::escape_controls(secret.file.native()), *why));
      return;
    }
    out.exporter.uri = std::move(secret.text);
  } catch (const common::UsageError& error) {
    faults.add(in.uri_file_position, error.what());
  }
}

void fill_storage(const Interpretation& in, Settings& out) {
  out.storage.max_size = in.local_max_size;
  out.storage.path = in_home(in.local_database_path.empty() ? std::string(kDefaultLocalPath) : in.local_database_path);
  if (out.storage.path.is_absolute()) return;
  out.storage.path = std::filesystem::absolute(out.storage.path);
  out.warnings.push_back(fmt::format(
      "{}: local_database_path is not absolute, so it depends on the folder that monitor is started in (now {}); "
      "write the whole path",
      common::escape_controls(out.file.native()), common::escape_controls(out.storage.path.native())));
}

void fill(Interpretation& in, Settings& out) {
  out.agent.enabled = in.document.worker_agent.value_or(true);
  out.exporter.enabled = in.document.worker_exporter.value_or(true);
  out.collector.enabled = in.document.worker_collector.value_or(true);
  if (const auto& limits = in.document.limits) {
    constexpr double kTenths = 10;
    out.agent.limits = {static_cast<std::size_t>(limits->concurrency.value_or(0)),
                        limits->rate_tenths.value_or(0) / kTenths};
  }
  out.agent.services = std::move(in.document.services);
  out.exporter.remote_retention = in.remote_retention;
  out.collector.keep_exported = in.keep_exported.value_or(out.collector.keep_exported);
  out.collector.local_retention = in.local_retention.value_or(out.collector.local_retention);
  for (auto* hours : {&out.collector.rollup_hours, &out.exporter.rollup_hours})
    *hours = in.rollup_hours.value_or(*hours);
  for (auto* days : {&out.collector.rollup_days, &out.exporter.rollup_days}) *days = in.rollup_days.value_or(*days);
  out.watch = in.document.watch_config.value_or(out.watch);
  out.stop_grace = in.stop_grace.value_or(out.stop_grace);
  out.net.deny_networks = std::move(in.deny_networks);
  out.net.dns_cache = in.dns_cache.value_or(out.net.dns_cache);
  if (!in.external_database_uri.empty()) out.exporter.uri = in.external_database_uri;
}

}  // namespace

Settings load(const std::filesystem::path& file) {
  auto read = read_file(file, kConfiguration, kMaxFileBytes);
  const bool world = read.others_may_read();
  Tree tree(std::move(read.text));
  Faults faults;
  Settings out;
  out.file = file;
  if (read_tree(tree, faults)) {
    auto in = interpret(tree, {Values::kExpanded, file}, faults);
    read_uri_file(in, file, faults, out);
    if (world && in.holds_secret) out.warnings.push_back(world_readable(file, "the configuration holds a password"));
    for (const auto& exposed : in.exposed) out.warnings.push_back(world_readable(exposed));
    for (const auto& warning : in.warnings) {
      out.warnings.push_back(at(file, tree.place(warning.position), warning.sentence));
    }
    if (faults.empty()) {
      fill_storage(in, out);
      fill(in, out);
    }
  }
  if (!faults.empty()) throw common::UsageError(faults.lines(file, tree));
  return out;
}

std::filesystem::path default_path() {
  return in_home(std::string(kDefaultFile));
}

}  // namespace monitor::config
