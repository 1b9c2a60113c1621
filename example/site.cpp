#include "site.h"

#include <algorithm>
#include <charconv>

namespace monitor::example {
namespace {

constexpr std::chrono::milliseconds kSlow = std::chrono::seconds{1};
constexpr std::uint64_t kFlakyPeriod = 3;

Reply text(unsigned status, std::string body) {
  Reply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

Reply openapi() {
  Reply reply;
  reply.content_type = "application/json";
  reply.body = R"({"openapi":"3.1.0","info":{"title":"Something to monitor","version":"1"},"paths":{)"
               R"("/":{"get":{"responses":{"200":{"description":"Always well"}}}},)"
               R"("/slow":{"get":{"responses":{"200":{"description":"Well, after a while"}}}},)"
               R"("/flaky":{"get":{"responses":{"200":{"description":"Two times in three"}}}},)"
               R"("/error":{"get":{"responses":{"500":{"description":"Never well"}}}}}})";
  return reply;
}

Reply slow(std::string_view query) {
  constexpr std::string_view key = "ms=";
  auto delay = kSlow;
  if (query.starts_with(key)) {
    const auto number = query.substr(key.size());
    std::uint32_t ms = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), ms);
    if (error != std::errc{} || end != number.data() + number.size()) {
      return text(400, "ms takes a whole number of milliseconds\n");
    }
    delay = std::min(kMaxDelay, std::chrono::milliseconds{ms});
  }
  auto reply = text(200, "that took a while\n");
  reply.delay = delay;
  return reply;
}

}  // namespace

Reply Site::answer(std::string_view method, std::string_view target) {
  if (method == "OPTIONS") return text(204, "");
  if (method != "GET" && method != "HEAD") return text(405, "only " + std::string{kAllowedMethods} + " here\n");
  const auto question = target.find('?');
  const auto path = target.substr(0, question);
  const auto query = question == std::string_view::npos ? std::string_view{} : target.substr(question + 1);
  if (path == "/") return text(200, "hello\n");
  if (path == "/openapi.json") return openapi();
  if (path == "/slow") return slow(query);
  if (path == "/flaky") return flaky();
  if (path == "/error") return text(500, "this always fails\n");
  return text(404, "nothing here\n");
}

Reply Site::flaky() {
  if (++flaky_requests_ % kFlakyPeriod == 0) return text(503, "every third request fails\n");
  return text(200, "fine this time\n");
}

}  // namespace monitor::example
