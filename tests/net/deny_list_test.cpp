#include "net/deny_list.h"

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>

#include "net/options.h"

namespace monitor::net {
namespace {

namespace asio = boost::asio;
using testing::HasSubstr;
using testing::IsEmpty;
using Texts = std::vector<std::string>;

std::string holding(const Texts& networks, const std::string& address) {
  const Networks all(networks);
  const auto* found = all.holding(asio::ip::make_address(address));
  return found == nullptr ? std::string{} : *found;
}

TEST(DenyNetworks, ANetworkHoldsItsFirstAndItsLastAddressAndNoneBeside) {
  EXPECT_EQ(holding({"10.16.0.0/12"}, "10.16.0.0"), "10.16.0.0/12");
  EXPECT_EQ(holding({"10.16.0.0/12"}, "10.31.255.255"), "10.16.0.0/12");
  EXPECT_THAT(holding({"10.16.0.0/12"}, "10.15.255.255"), IsEmpty());
  EXPECT_THAT(holding({"10.16.0.0/12"}, "10.32.0.0"), IsEmpty());
  EXPECT_EQ(holding({"2001:db8:8000::/33"}, "2001:db8:ffff::1"), "2001:db8:8000::/33");
  EXPECT_THAT(holding({"2001:db8:8000::/33"}, "2001:db8:7fff::1"), IsEmpty());
  EXPECT_EQ(holding({"192.0.2.7"}, "192.0.2.7"), "192.0.2.7");
  EXPECT_THAT(holding({"192.0.2.7"}, "192.0.2.6"), IsEmpty());
}

TEST(DenyNetworks, AllOfOneFamilyIsNothingOfTheOther) {
  EXPECT_EQ(holding({"0.0.0.0/0"}, "198.51.100.1"), "0.0.0.0/0");
  EXPECT_THAT(holding({"0.0.0.0/0"}, "2001:db8::1"), IsEmpty());
  EXPECT_EQ(holding({"::/0"}, "2001:db8::1"), "::/0");
}

TEST(DenyNetworks, TheNamedSetsHoldWhatTheirNamesSay) {
  for (const auto* address : {"10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd12::1", "fec0::1"}) {
    EXPECT_THAT(holding({"private"}, address), HasSubstr("private (")) << address;
  }
  for (const auto* address : {"127.0.0.1", "127.9.9.9", "::1"}) {
    EXPECT_THAT(holding({"loopback"}, address), HasSubstr("loopback (")) << address;
  }
  for (const auto* address : {"169.254.1.1", "fe80::1"}) {
    EXPECT_THAT(holding({"link-local"}, address), HasSubstr("link-local (")) << address;
  }
  for (const auto* address : {"169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"}) {
    EXPECT_THAT(holding({"metadata"}, address), HasSubstr("metadata (")) << address;
  }
  for (const auto* address : {"8.8.8.8", "172.32.0.1", "128.0.0.1", "2606:4700::1"}) {
    EXPECT_THAT(holding({"private", "loopback", "link-local", "metadata"}, address), IsEmpty()) << address;
  }
}

TEST(DenyNetworks, AnAddressIsJudgedByTheIpv4AddressThatItStandsFor) {
  for (const auto* address : {"::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "::ffff:0:127.0.0.1",
                              "64:ff9b::127.0.0.1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2001:0:1::80ff:fffe"}) {
    EXPECT_THAT(holding({"127.0.0.0/8"}, address), "127.0.0.0/8") << address;
  }
  for (const auto* address : {"::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::7f00:1", "64:ff9c::127.0.0.1"}) {
    EXPECT_THAT(holding({"127.0.0.0/8"}, address), IsEmpty()) << address;
  }
  EXPECT_EQ(holding({"::ffff:10.0.0.0/104"}, "10.1.2.3"), "::ffff:10.0.0.0/104") << "and the other way round";
}

TEST(DenyNetworks, WhatIsNoNetworkIsRefusedWithWhatToWrite) {
  for (const auto* good :
       {"private", "metadata", "10.0.0.0/8", "0.0.0.0/0", "::/0", "fc00::/7", "192.0.2.1", "::1/128"}) {
    EXPECT_FALSE(refuse_network(good)) << good;
  }
  for (const auto* bad : {"", "intern", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "10/8", "0x7f.1",
                          "2130706433", "fe80::1%1", "fc00::/129", "localhost", "/8"}) {
    EXPECT_THAT(refuse_network(bad).value_or("accepted"), HasSubstr("is no network; write an address")) << bad;
  }
  EXPECT_THAT(refuse_network("10.1.0.0/8").value_or("accepted"), HasSubstr("bits behind its length"));
  EXPECT_THAT(refuse_network("fc00::1/7").value_or("accepted"), HasSubstr("bits behind its length"));
}

TEST(DenyNetworks, TheSentenceNamesTheAddressAndTheNetwork) {
  asio::io_context io;
  auto& list = DenyList::of(io.get_executor());
  const auto address = asio::ip::make_address("::ffff:10.0.0.1");
  EXPECT_FALSE(list.refuse(address, 80)) << "nothing is denied until something is";
  list.deny({"private"});
  const auto failure = list.refuse(address, 80);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->outcome, common::Outcome::kAddressDenied);
  EXPECT_EQ(failure->reason,
            "no connection is made to [::ffff:10.0.0.1]:80: limits.deny_networks holds private (10.0.0.0/8)");
}

}  // namespace
}  // namespace monitor::net
