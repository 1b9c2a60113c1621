// A URL as typed: what we would request is sound, and means the same when it is read again.
#include <cstddef>
#include <cstdint>

#include "probe/options.h"
#include "url_checks.h"

using namespace monitor;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto parsed = net::parse_url(text);
  if (const auto* refusal = std::get_if<net::UrlRefusal>(&parsed)) {
    fuzz::require_sentence(refusal->sentence);
  } else {
    fuzz::check_url(std::get<net::Url>(parsed));
  }
  if (auto why = probe::refuse_url(text)) fuzz::require_sentence(*why);
  const auto shown = probe::without_userinfo(text);
  fuzz::require(probe::without_userinfo(shown).size() <= shown.size(), "nothing is added");
  return 0;
}
