#include "config/document.h"

#include <algorithm>
#include <charconv>
#include <sys/stat.h>

#include <fmt/format.h>

#include "common/error.h"
#include "common/text.h"
#include "config/comments.h"
#include "config/file.h"
#include "config/interpret.h"
#include "config/reader.h"
#include "config/writer.h"

namespace monitor::config {
namespace {

std::string order_key(const probe::Service& service) {
  return service.url + service.method + (service.check_regex ? "True" : "False") + service.regex.value_or("None");
}

/// The predecessor's order, which NUMBERs count in: the columns put together as one text.
bool comes_before(const probe::Service& left, const probe::Service& right) {
  const auto common = std::min(left.url.size(), right.url.size());
  const int order = left.url.compare(0, common, right.url, 0, common);
  if (order != 0) return order < 0;
  const auto left_key = order_key(left);
  const auto right_key = order_key(right);
  return left_key != right_key ? left_key < right_key : left.name < right.name;
}

Document read_text(const std::filesystem::path& file, std::string text) {
  Tree tree(std::move(text));
  Faults faults;
  Document document;
  if (read_tree(tree, faults)) document = interpret(tree, Values::kTyped, faults).document;
  if (!faults.empty()) throw common::UsageError(faults.lines(file, tree));
  document.file = file;
  document.format = format_of(tree.source());
  if (document.format == Format::kYaml) {
    document.opening_comment = opening_comment(tree.source());
    document.has_comments = has_other_comments(tree);
  }
  sort_services(document);
  return document;
}

/// The text of a document that keeps every rule. It is judged as it will be read, so what is saved can be loaded.
std::string valid_text(const Document& document) {
  std::string text = to_text(document);
  if (text.size() > kMaxFileBytes) {
    throw common::UsageError(
        fmt::format("the configuration would hold {} bytes; {} are allowed", text.size(), kMaxFileBytes));
  }
  Tree tree(text);
  Faults faults;
  if (read_tree(tree, faults)) interpret(tree, Values::kUnwritten, faults);
  if (!faults.empty()) {
    std::vector<std::string> labels;
    labels.reserve(document.services.size());
    for (const auto& service : document.services) labels.push_back(service.label());
    throw common::UsageError(faults.lines(labels));
  }
  return text;
}

void refuse_changed(const std::filesystem::path& file, const struct stat& before) {
  struct stat now{};
  const bool same = ::stat(file.c_str(), &now) == 0 && now.st_ino == before.st_ino && now.st_size == before.st_size &&
                    now.st_mtim.tv_sec == before.st_mtim.tv_sec && now.st_mtim.tv_nsec == before.st_mtim.tv_nsec;
  if (same) return;
  throw common::Error(
      fmt::format("{}: the configuration was changed by an editor meanwhile; nothing is saved, try again",
                  common::escape_controls(file.native())));
}

[[noreturn]] void refuse_service(std::string_view typed, std::size_t count) {
  const auto numbers = count == 0 ? std::string("there is none yet")
                                  : fmt::format("there {}, numbered from 0 to {}",
                                                count == 1 ? "is 1" : fmt::format("are {}", count), count - 1);
  throw common::UsageError(
      fmt::format("no service has the number or name {}: {}; `monitor config services show --numbered` "
                  "lists them",
                  in_quotes(typed), numbers));
}

}  // namespace

void sort_services(Document& document) {
  std::sort(document.services.begin(), document.services.end(), comes_before);
}

Document read(const std::filesystem::path& file) {
  return read_text(file, read_file(file, kConfiguration, kMaxFileBytes).text);
}

std::size_t find_service(const Document& document, const std::string& number_or_name) {
  const auto& services = document.services;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!number_or_name.empty() && std::all_of(number_or_name.begin(), number_or_name.end(), is_digit)) {
    std::size_t number = 0;
    const auto* end = number_or_name.data() + number_or_name.size();
    const auto error = std::from_chars(number_or_name.data(), end, number).ec;
    if (error == std::errc{} && number < services.size()) return number;
    refuse_service(number_or_name, services.size());
  }
  const auto found = std::find_if(services.begin(), services.end(), [&](const probe::Service& service) {
    return !service.name.empty() && service.name == number_or_name;
  });
  if (found == services.end()) refuse_service(number_or_name, services.size());
  return static_cast<std::size_t>(found - services.begin());
}

void require_valid(const Document& document) {
  valid_text(document);
}

void create(const Document& document, bool force) {
  Document sorted = document;
  sort_services(sorted);
  const auto text = valid_text(sorted);
  const auto real = real_file_to_make(document.file);
  make_folder_of(real);
  const FileLock lock(real);
  if (std::error_code error; !force && std::filesystem::exists(real, error)) {
    throw common::UsageError(fmt::format("{}: there is a configuration already; --force overwrites it",
                                         common::escape_controls(document.file.native())));
  }
  replace_file(real, text);
}

Document update(const std::filesystem::path& file, const std::function<void(Document&)>& change) {
  const auto real = real_file(file);
  if (std::error_code error; !std::filesystem::exists(real, error)) read_file(file, kConfiguration, kMaxFileBytes);
  const FileLock lock(real);
  auto before = read_file(file, kConfiguration, kMaxFileBytes);
  auto document = read_text(file, std::move(before.text));
  change(document);
  sort_services(document);
  const auto text = valid_text(document);
  refuse_changed(real, before.status);
  replace_file(real, text);
  return document;
}

void remove(const std::filesystem::path& file) {
  const auto shown = common::escape_controls(file.native());
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (!std::filesystem::is_regular_file(status)) {
    throw common::UsageError(fmt::format(
        "{}: {}", shown,
        std::filesystem::exists(status) ? "this is not a regular file" : "there is no configuration to delete"));
  }
  const auto real = real_file(file);
  const FileLock lock(real);
  // The file first: it is what may hold a password.
  delete_file(real);
  if (std::filesystem::is_symlink(std::filesystem::symlink_status(file, error))) delete_file(file);
}

}  // namespace monitor::config
