// The networks that no check may connect to, and whether an address lies in one of them. io thread only.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/ip/address.hpp>

#include "net/failure.h"

namespace monitor::net {

/// Ranges of addresses; IPv4 as IPv6 writes it (RFC 4291 §2.5.5.2), so that one comparison of bytes judges both.
class Networks {
 public:
  /// `texts`: as refuse_network() accepts them; others are passed over.
  explicit Networks(const std::vector<std::string>& texts = {});

  bool empty() const { return ranges_.empty(); }
  /// The text of the first network that holds the address, or the IPv4 address that it stands for: mapped, compatible
  /// and translated (RFC 4291 §2.5.5, RFC 2765 §2.1), NAT64 (RFC 6052 §2.1, RFC 8215), 6to4 (RFC 3056 §2), Teredo
  /// (RFC 4380 §4). Null: none does.
  const std::string* holding(const boost::asio::ip::address& address) const;

 private:
  using Bytes = std::array<std::uint8_t, 16>;
  struct Range {
    Bytes bytes;
    unsigned bits = 0;  ///< of `bytes` that count
    std::string name;   ///< as the configuration has it
  };
  void add(std::string_view network, const std::string& name);
  const std::string* holding(const Bytes& bytes) const;

  std::vector<Range> ranges_;
};

/// One for each io_context; empty until it is told otherwise. Every connection is judged at its socket, by the bytes
/// that connect(2) gets: no name, redirect or second look-up comes between.
class DenyList final : public boost::asio::execution_context::service {
 public:
  using key_type = DenyList;
  static boost::asio::execution_context::id id;

  explicit DenyList(boost::asio::execution_context& context) : service(context) {}
  /// The one of this executor's io_context.
  static DenyList& of(const boost::asio::any_io_executor& io);

  /// From now on; connections that run go on, those that wait to be used again are judged when they are taken.
  void deny(const std::vector<std::string>& networks) { networks_ = Networks(networks); }
  /// Why there must be no connection to `address`: `address_denied`, with the network. Nothing: there may be.
  std::optional<Failure> refuse(const boost::asio::ip::address& address, std::uint16_t port) const;

 private:
  void shutdown() override {}

  Networks networks_;
};

}  // namespace monitor::net
