// Random text that is the same in every run.
#pragma once

#include <random>
#include <string>
#include <string_view>

namespace monitor::test {

/// `bytes` of `alphabet`'s characters.
inline std::string noise(std::size_t bytes, std::string_view alphabet) {
  std::minstd_rand random(1);  // the same sequence with every standard library
  std::string out;
  out.reserve(bytes);
  while (out.size() < bytes) out += alphabet[random() / 16 % alphabet.size()];
  return out;
}

}  // namespace monitor::test
