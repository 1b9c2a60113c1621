#include "app/reload_json.h"

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "common/error.h"
#include "common/text.h"

namespace monitor::app {

namespace json = boost::json;

json::object to_json(const Reloaded& reloaded) {
  const auto list = [](const std::vector<std::string>& texts) {
    json::array out;
    for (const auto& text : texts) out.emplace_back(text);
    return out;
  };
  return {{"services", reloaded.services},       {"added", reloaded.added},
          {"changed", reloaded.changed},         {"removed", reloaded.removed},
          {"applied", list(reloaded.applied)},   {"restart", list(reloaded.restart)},
          {"warnings", list(reloaded.warnings)}, {"sentence", sentence_of(reloaded)}};
}

void require_file(const json::object& request, const std::filesystem::path& in_force) {
  const auto* const file = request.if_contains("file");
  if (file == nullptr) return;
  std::error_code unknown;
  if (file->is_string() &&
      std::filesystem::equivalent(std::filesystem::path(file->get_string().c_str()), in_force, unknown)) {
    return;
  }
  throw common::Error(fmt::format("it runs with another configuration, {}",
                                  common::escape_controls(std::filesystem::absolute(in_force, unknown).native())));
}

}  // namespace monitor::app
