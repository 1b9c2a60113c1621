#include "config/secret.h"

#include <fmt/format.h>

#include "common/error.h"
#include "common/text.h"
#include "config/expand.h"
#include "config/faults.h"
#include "config/file.h"

namespace monitor::config {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{64} << 10;

bool is_there(const std::filesystem::path& file) {
  std::error_code error;
  return std::filesystem::exists(file, error);
}

std::filesystem::path find(const std::string& named, const std::filesystem::path& config_file, std::string_view what) {
  const auto home = expand_home(named);
  if (!home)
    throw common::UsageError(fmt::format("the home folder of {} is not known; write the whole path", in_quotes(named)));
  std::filesystem::path path(*home);
  if (path.is_absolute()) return path;
  auto beside = config_file.parent_path() / path;
  const auto credentials = environment_variable("CREDENTIALS_DIRECTORY");
  if (path.has_parent_path() || !credentials || credentials->empty()) return beside;
  // What systemd hands over comes first: the file beside the configuration may be for root alone.
  const auto credential = std::filesystem::path(*credentials) / path;
  if (is_there(credential)) return credential;
  if (is_there(beside)) return beside;
  throw common::UsageError(fmt::format("the {} {} is neither at {} nor among systemd's credentials in {}", what,
                                       in_quotes(named), common::escape_controls(beside.native()),
                                       common::escape_controls(*credentials)));
}

}  // namespace

NamedFile read_named(const std::string& named, const std::filesystem::path& config_file, std::string_view what,
                     std::size_t limit) {
  NamedFile found;
  found.file = find(named, config_file, what);
  if (!is_there(found.file)) {
    throw common::UsageError(fmt::format("{}: there is no such {} file; make it, or correct the name",
                                         common::escape_controls(found.file.native()), what));
  }
  auto read = read_file(found.file, fmt::format("the {}", what), limit);
  found.others_may_read = read.others_may_read();
  found.text = std::move(read.text);
  return found;
}

std::string world_readable(const std::filesystem::path& file, std::string_view what) {
  const auto shown = common::escape_controls(file.native());
  return fmt::format("{}: {} and may be read by everyone on this machine; take that away with: chmod o-r '{}'", shown,
                     what, shown);
}

Secret read_secret(const std::string& named, const std::filesystem::path& config_file) {
  auto found = read_named(named, config_file, "secret", kMaxBytes);
  Secret secret{std::move(found.file), std::move(found.text), found.others_may_read};
  if (secret.text.ends_with('\n')) secret.text.pop_back();
  if (secret.text.ends_with('\r')) secret.text.pop_back();
  return secret;
}

}  // namespace monitor::config
