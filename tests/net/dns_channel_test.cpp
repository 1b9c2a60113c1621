#include "net/dns_channel.h"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "support/dns_stub.h"

namespace monitor::net {
namespace {

using Status = DnsReply::Status;

TEST(DnsChannelTest, TakesNoMoreQuestionsThanItCanNumber) {
  test::DnsStub stub;
  stub.set_default({.silent = true});
  System system;
  system.name_servers = stub.address();
  boost::asio::io_context io{1};
  std::vector<DnsReply> replies;
  {
    DnsChannel channel(io.get_executor(), system, false);
    for (std::size_t i = 0; i <= DnsChannel::kMaxOpen; ++i) {
      channel.ask("dead" + std::to_string(i) + ".test", Family::kV4,
                  [&](DnsReply reply) { replies.push_back(std::move(reply)); });
    }
    ASSERT_EQ(replies.size(), 1U);
    EXPECT_EQ(replies.front().status, Status::kLocal);
    EXPECT_EQ(replies.front().detail, "32768 questions wait for the name servers already");
  }
  EXPECT_EQ(replies.size(), DnsChannel::kMaxOpen + 1);
  EXPECT_EQ(replies.back().status, Status::kAbandoned);
}

}  // namespace
}  // namespace monitor::net
