#include "config/faults.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"

namespace monitor::config {
namespace {

constexpr std::size_t kShown = 100;
constexpr std::size_t kKept = 10'000;  // sorted by place before the first hundred are shown
constexpr std::size_t kQuotedBytes = 120;

}  // namespace

void Faults::add(std::uint32_t position, std::string sentence, std::optional<std::size_t> service) {
  if (faults_.size() < kKept) {
    faults_.push_back({position, service, std::move(sentence)});
  } else {
    ++more_;
  }
}

template <typename Line>
std::string Faults::joined(const Line& line) const {
  std::vector<const Fault*> sorted;
  sorted.reserve(faults_.size());
  for (const auto& fault : faults_) sorted.push_back(&fault);
  std::sort(sorted.begin(), sorted.end(), [](const Fault* left, const Fault* right) {
    return left->position != right->position ? left->position < right->position : left < right;
  });
  std::string out;
  for (std::size_t i = 0; i < std::min(sorted.size(), kShown); ++i) {
    if (i > 0) out += '\n';
    out += line(*sorted[i]);
  }
  const std::size_t more = more_ + sorted.size() - std::min(sorted.size(), kShown);
  if (more > 0) out += fmt::format("\nand {} more", more);
  return out;
}

std::string Faults::lines(const std::filesystem::path& file, const Tree& tree) const {
  return joined([&](const Fault& fault) { return at(file, tree.place(fault.position), fault.sentence); });
}

std::string Faults::lines(const std::vector<std::string>& service_labels) const {
  return joined([&](const Fault& fault) {
    if (!fault.service || *fault.service >= service_labels.size()) return fault.sentence;
    return fmt::format("{}: {}", common::escape_controls(service_labels[*fault.service]), fault.sentence);
  });
}

std::string without_secret(std::string_view text) {
  constexpr std::string_view kScheme = "://";
  const auto equals = text.find('=');
  const auto scheme = text.find(kScheme);
  if (equals == std::string_view::npos && scheme == std::string_view::npos) return std::string(text);
  const auto end = equals < scheme ? equals + 1 : scheme + kScheme.size();
  return fmt::format("{}{}", text.substr(0, end), end < text.size() ? "…" : "");
}

std::string in_quotes(std::string_view text) {
  return fmt::format("\"{}\"", common::escape_controls(common::storable(without_secret(text), kQuotedBytes)));
}

std::string at(const std::filesystem::path& file, Place place, std::string_view sentence) {
  return fmt::format("{}:{}:{}: {}", common::escape_controls(file.native()), place.line, place.column, sentence);
}

}  // namespace monitor::config
