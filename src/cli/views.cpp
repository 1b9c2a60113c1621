#include "cli/views.h"

#include <algorithm>

#include <fmt/format.h>

#include "config/settings.h"
#include "exporter/options.h"
#include "probe/options.h"

namespace monitor::cli {
namespace {

std::optional<std::string> external(const config::Document& document, Secrets secrets) {
  if (document.external_database_uri_file) return fmt::format("in the file {}", *document.external_database_uri_file);
  if (!document.external_database_uri || document.external_database_uri->empty()) return std::nullopt;
  const std::string& uri = *document.external_database_uri;
  return secrets == Secrets::kShown ? uri : exporter::masked_uri(uri);
}

std::vector<std::string> service_row(const probe::Service& service, Secrets secrets) {
  return {secrets == Secrets::kShown ? service.url : probe::without_userinfo(service.url),
          service.method,
          cell(service.check_regex),
          cell(service.regex),
          fmt::format("{}", service.interval.count()),
          fmt::format("{}", service.timeout.count())};
}

}  // namespace

Table databases_table(const config::Document& document, Secrets secrets) {
  const auto& local = document.local_database_path;
  return {
      {"Name", "Value"},
      {{"Local", local.empty() ? config::kDefaultLocalPath : local}, {"External", cell(external(document, secrets))}}};
}

Table services_table(const config::Document& document, Numbers numbers, Secrets secrets) {
  Table table{{"url", "method", "check_regex", "regex", "interval_sec", "timeout"}, {}};
  const bool named = std::ranges::any_of(document.services, [](const auto& service) { return !service.name.empty(); });
  if (numbers == Numbers::kShown) table.header.insert(table.header.begin(), "№");
  if (named) table.header.emplace_back("name");
  for (const auto& service : document.services) {
    auto row = service_row(service, secrets);
    if (numbers == Numbers::kShown) row.insert(row.begin(), fmt::format("{}", table.rows.size()));
    if (named) row.push_back(service.name.empty() ? "None" : service.name);
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace monitor::cli
