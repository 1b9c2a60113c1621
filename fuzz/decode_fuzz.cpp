// A body in a content coding: however it lies, no more is made of it than the limits allow.
//
// The input: one byte for the coding, one for the limit, and the body.
#include <array>
#include <cstddef>
#include <cstdint>

#include "fuzz.h"
#include "probe/decode.h"

using namespace monitor;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kChoices = 2;
  if (size < kChoices) return 0;
  constexpr std::array<std::string_view, 6> kCodings{"gzip", "deflate", "", "x-gzip", "gzip, gzip", "br"};
  constexpr std::array<std::size_t, 4> kLimits{std::size_t{1} << 20, 0, 10, std::size_t{1} << 16};
  const auto coding = kCodings[data[0] % kCodings.size()];
  const bool cut = (data[0] & 0x80U) != 0;
  const auto limit = kLimits[data[1] % kLimits.size()];
  const std::string_view body(reinterpret_cast<const char*>(data) + kChoices, size - kChoices);

  const auto decoded = probe::decode_content(body, coding, limit, cut);
  fuzz::require(decoded.body.size() <= limit || decoded.refusal, "no more than the limit");
  constexpr std::size_t kStep = std::size_t{16} << 10;  // what is made before the ratio is looked at
  fuzz::require(decoded.body.size() <= probe::kFreeDecodedBytes + kStep ||
                    decoded.body.size() <= probe::kMaxDecodedRatio * (body.size() + 1) + kStep,
                "no more than the ratio");
  fuzz::require(!decoded.capped || cut || decoded.body.size() == limit, "capped at the limit");
  if (decoded.refusal) {
    fuzz::require_sentence(*decoded.refusal);
    return 0;
  }
  const auto half = probe::decode_content(body.substr(0, body.size() / 2), coding, limit, true);
  fuzz::require(half.refusal || decoded.body.starts_with(half.body),
                "half of it decodes to the beginning of the whole");
  return 0;
}
