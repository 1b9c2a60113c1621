#include "net/lookup.h"

#include <algorithm>

#include <boost/asio/ip/address_v6.hpp>
#include <fmt/format.h>

#include "common/error.h"

namespace monitor::net {
namespace {

namespace asio = boost::asio;
using common::Outcome;
using Status = DnsReply::Status;

Failure explain(const std::string& name, const DnsReply& reply, AddressFamily family = AddressFamily::kAny) {
  switch (reply.status) {
    case Status::kNoSuchName:
      return {Outcome::kDnsNxdomain, fmt::format("the name {} does not exist (NXDOMAIN)", name)};
    case Status::kServerFailure:
      return {Outcome::kDnsFailure, fmt::format("the name servers failed to look up {} (SERVFAIL)", name)};
    case Status::kRefused:
      return {Outcome::kDnsFailure, fmt::format("the name servers refused to look up {} (REFUSED)", name)};
    case Status::kNoServer:
      return {Outcome::kDnsFailure, fmt::format("no name server could be reached to look up {}", name)};
    case Status::kTimeout:
      return {Outcome::kDnsTimeout, fmt::format("the name servers did not answer for {}, asked several times", name)};
    case Status::kOtherFailure:
      return {Outcome::kDnsFailure, fmt::format("the name {} could not be looked up: {}", name, reply.detail)};
    case Status::kLocal:
      return {Outcome::kLocalResource,
              fmt::format("the name {} could not be looked up: {}", name,
                          reply.detail.empty() ? common::errno_text(reply.error_number) : reply.detail)};
    case Status::kAddresses:
    case Status::kNoData:
    case Status::kAbandoned:
      break;
  }
  const auto* const lacks = family == AddressFamily::kAny    ? "address (neither AAAA nor A)"
                            : family == AddressFamily::kIpv4 ? "IPv4 address (A), and family asks for one"
                                                             : "IPv6 address (AAAA), and family asks for one";
  return {Outcome::kDnsFailure, fmt::format("the name {} has no {}", name, lacks)};
}

}  // namespace

bool is_nowhere(const asio::ip::address& address) {
  if (address.is_unspecified()) return true;
  return address.is_v6() && address.to_v6() == asio::ip::make_address_v6(asio::ip::v4_mapped, {});
}

Failure explain_nowhere(const std::string& name) {
  return {Outcome::kUnreachable, fmt::format("the name {} has the address 0.0.0.0 or ::, which is nobody's: to connect "
                                             "to it would reach this machine itself",
                                             name)};
}

bool Lookup::done() const {
  return (replies[0] || family == AddressFamily::kIpv4) && (replies[1] || family == AddressFamily::kIpv6);
}

bool Lookup::is_for_the_name(const DnsReply& reply) const {
  const bool complete = name.find('.') != std::string::npos;
  return !complete || reply.asked == std::string_view(name).substr(0, name.size() - (name.ends_with('.') ? 1 : 0));
}

/// Each family is searched for on its own, so one may come from a search domain though the other has the name itself:
/// those addresses belong to somebody else.
bool Lookup::counts(const std::optional<DnsReply>& reply) const {
  if (!reply || reply->addresses.empty()) return false;
  const auto& other = &reply == &replies[0] ? replies[1] : replies[0];
  const bool other_has_the_name = other && !other->addresses.empty() && is_for_the_name(*other);
  return is_for_the_name(*reply) || !other_has_the_name;
}

SharedAddresses Lookup::addresses() const {
  auto all = std::make_shared<Addresses>();
  for (const auto& reply : replies) {
    if (counts(reply)) all->insert(all->end(), reply->addresses.begin(), reply->addresses.end());
  }
  return all->empty() ? nullptr : all;
}

std::chrono::seconds Lookup::ttl(std::chrono::seconds longest) const {
  std::chrono::seconds least = longest;
  for (const auto& reply : replies) {
    if (counts(reply)) least = std::min(least, reply->ttl);
  }
  return least;
}

Failure Lookup::failure() const {
  if (nowhere) return explain_nowhere(name);
  for (const auto status : {Status::kNoSuchName, Status::kLocal, Status::kServerFailure, Status::kRefused,
                            Status::kOtherFailure, Status::kNoServer, Status::kTimeout}) {
    for (const auto& reply : replies) {
      if (reply && reply->status == status) return explain(name, *reply);
    }
  }
  return explain(name, {Status::kNoData, {}, {}, {}, {}, 0}, family);
}

}  // namespace monitor::net
