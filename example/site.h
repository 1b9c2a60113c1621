// What the example application answers, apart from how it is sent. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace monitor::example {

struct Reply {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::chrono::milliseconds delay{0};  ///< how long to wait before answering
};

/// The longest delay that `/slow?ms=` may ask for.
inline constexpr std::chrono::milliseconds kMaxDelay = std::chrono::seconds{30};
inline constexpr std::string_view kAllowedMethods = "GET, HEAD, OPTIONS";

class Site {
 public:
  /// `target` in origin form: a path with an optional query. Methods other than kAllowedMethods get status 405.
  Reply answer(std::string_view method, std::string_view target);

 private:
  Reply flaky();

  std::uint64_t flaky_requests_ = 0;
};

}  // namespace monitor::example
