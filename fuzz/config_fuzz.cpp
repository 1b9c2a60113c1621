// The text of a configuration file: refused with sentences, or the same once it has been written and read again.
#include <cstddef>
#include <cstdint>

#include "config/interpret.h"
#include "config/reader.h"
#include "config/writer.h"
#include "fuzz.h"

using namespace monitor;

namespace {

std::optional<config::Document> read(const std::string& text) {
  config::Tree tree(text);
  config::Faults faults;
  config::Document document;
  if (config::read_tree(tree, faults)) document = interpret(tree, config::Values::kTyped, faults).document;
  if (!faults.empty()) {
    for (const auto& fault : faults.all()) {
      fuzz::require_sentence(fault.sentence);
      fuzz::require(fault.position <= text.size(), "a fault is somewhere in the text");
    }
    fuzz::require(!faults.lines("monitoring-config", tree).empty(), "faults are told");
    return std::nullopt;
  }
  document.format = config::format_of(text);
  return document;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto document = read(std::string(reinterpret_cast<const char*>(data), size));
  if (!document) return 0;
  const auto text = to_text(*document);
  const auto again = read(text);
  fuzz::require(again.has_value(), "what we write we read");
  fuzz::require(again->services.size() == document->services.size(), "with every service");
  for (std::size_t i = 0; i < document->services.size(); ++i) {
    const auto &before = document->services[i], &after = again->services[i];
    fuzz::require(before.key() == after.key() && before.settings == after.settings, "which is the same");
  }
  fuzz::require(to_text(*again) == text, "and is written the same");
  return 0;
}
