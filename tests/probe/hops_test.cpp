#include "probe/hops.h"

#include <gtest/gtest.h>

namespace monitor::probe {
namespace {

using std::chrono::microseconds;

TEST(Hops, AreOneLineOfJson) {
  const Hop first{.url = "http://a.example/?q=***",
                  .method = "POST",
                  .status = 303,
                  .remote_address = "192.0.2.1",
                  .reused = false,
                  .phases = {.dns = microseconds{1},
                             .connect = microseconds{2},
                             .tls = std::nullopt,
                             .first_byte = microseconds{4},
                             .transfer = microseconds{5}}};
  const Hop second{.url = "https://b.example/\"\n\x1B",
                   .method = "GET",
                   .status = std::nullopt,
                   .remote_address = "2001:db8::1",
                   .reused = true,
                   .phases = {.dns = std::nullopt,
                              .connect = std::nullopt,
                              .tls = microseconds{3},
                              .first_byte = std::nullopt,
                              .transfer = std::nullopt}};
  EXPECT_EQ(
      to_json({first, second}),
      R"([{"url":"http://a.example/?q=***","method":"POST","status":303,"address":"192.0.2.1","dns_us":1,)"
      R"("connect_us":2,"first_byte_us":4,"transfer_us":5},)"
      R"({"url":"https://b.example/\"\n\u001b","method":"GET","address":"2001:db8::1","reused":true,"tls_us":3}])");
}

TEST(Hops, NoneAreNoText) {
  EXPECT_EQ(to_json({}), "");
}

}  // namespace
}  // namespace monitor::probe
