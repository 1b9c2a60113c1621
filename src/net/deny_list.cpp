#include "net/deny_list.h"

#include <algorithm>
#include <charconv>
#include <span>

#include <boost/asio/execution/context.hpp>
#include <boost/asio/query.hpp>
#include <fmt/format.h>

#include "common/text.h"
#include "net/attempt.h"
#include "net/options.h"

namespace monitor::net {
namespace {

namespace asio = boost::asio;
namespace ip = asio::ip;
using Bytes = ip::address_v6::bytes_type;

struct NamedSet {
  std::string_view name;
  std::span<const std::string_view> networks;
};

// RFC 1918, RFC 6598 (a provider's own), RFC 4193, RFC 3879.
constexpr std::array<std::string_view, 6> kPrivate{"10.0.0.0/8",    "172.16.0.0/12", "192.168.0.0/16",
                                                   "100.64.0.0/10", "fc00::/7",      "fec0::/10"};
constexpr std::array<std::string_view, 2> kLoopback{"127.0.0.0/8", "::1"};
constexpr std::array<std::string_view, 2> kLinkLocal{"169.254.0.0/16", "fe80::/10"};
// Where clouds hand credentials to whoever asks: AWS, Azure, Google and most others, ECS, EKS, Azure's host, Alibaba,
// Oracle; then AWS, EKS and Google by IPv6.
constexpr std::array<std::string_view, 9> kMetadata{"169.254.169.254", "169.254.170.2",   "169.254.170.23",
                                                    "168.63.129.16",   "100.100.100.200", "192.0.0.192",
                                                    "fd00:ec2::254",   "fd00:ec2::23",    "fd20:ce::254"};
constexpr std::array<NamedSet, 4> kSets{{
    {"private", kPrivate},
    {"loopback", kLoopback},
    {"link-local", kLinkLocal},
    {"metadata", kMetadata},
}};

constexpr unsigned kAllBits = 128, kMappedBits = 96, kByteBits = 8;

Bytes mapped(const ip::address& address) {
  return (address.is_v4() ? ip::make_address_v6(ip::v4_mapped, address.to_v4()) : address.to_v6()).to_bytes();
}

bool begins_with(const Bytes& bytes, const Bytes& prefix, unsigned bits) {
  const unsigned whole = bits / kByteBits, rest = bits % kByteBits;
  if (!std::equal(bytes.begin(), bytes.begin() + whole, prefix.begin())) return false;
  return rest == 0 || ((bytes.at(whole) ^ prefix.at(whole)) >> (kByteBits - rest)) == 0;
}

/// A network's address and how many of its bits count, as of IPv6; nothing: it is none.
std::optional<std::pair<Bytes, unsigned>> parse(std::string_view text) {
  const auto slash = text.find('/');
  boost::system::error_code error;
  const auto address = ip::make_address(std::string(text.substr(0, slash)), error);
  if (error || (address.is_v6() && address.to_v6().scope_id() != 0)) return std::nullopt;
  const unsigned most = address.is_v4() ? kAllBits - kMappedBits : kAllBits;
  unsigned bits = most;
  if (slash != std::string_view::npos) {
    const auto length = text.substr(slash + 1);
    const auto [end, wrong] = std::from_chars(length.data(), length.data() + length.size(), bits);
    if (wrong != std::errc{} || end != length.data() + length.size() || bits > most) return std::nullopt;
  }
  return std::pair(mapped(address), bits + kAllBits - most);
}

const NamedSet* find_set(std::string_view name) {
  const auto found = std::ranges::find(kSets, name, &NamedSet::name);
  return found == kSets.end() ? nullptr : &*found;
}

/// How IPv6 stands for IPv4: what such an address begins with, and where in it the four bytes are.
struct Embedding {
  const char* prefix;
  unsigned bits;
  std::size_t at;
  std::uint8_t flipped = 0;  ///< what each byte is combined with
};

constexpr std::array<Embedding, 6> kEmbeddings{{
    {"::", kMappedBits, 12},
    {"::ffff:0:0:0", kMappedBits, 12},
    {"64:ff9b::", kMappedBits, 12},
    {"64:ff9b:1::", 48, 12},
    {"2002::", 16, 2},
    {"2001::", 32, 12, 0xFF},
}};

}  // namespace

asio::execution_context::id DenyList::id;

std::optional<std::string> refuse_network(const std::string& text) {
  if (find_set(text) != nullptr) return std::nullopt;
  constexpr std::string_view kForms =
      "write an address such as 192.0.2.7, a network such as 10.0.0.0/8 or fc00::/7, or one of `private`, `loopback`, "
      "`link-local` and `metadata`";
  const auto network = parse(text);
  if (!network) return fmt::format("{} is no network; {}", common::escape_controls(text), kForms);
  const auto& [bytes, bits] = *network;
  Bytes cut{};
  for (unsigned bit = 0; bit < bits; ++bit) {
    const auto mask = static_cast<std::uint8_t>(0x80U >> (bit % kByteBits));
    cut.at(bit / kByteBits) |= bytes.at(bit / kByteBits) & mask;
  }
  if (cut == bytes) return std::nullopt;
  return fmt::format(
      "{} has bits behind its length: it would deny more than it says; write the network's first address", text);
}

Networks::Networks(const std::vector<std::string>& texts) {
  for (const auto& text : texts) {
    const auto* const set = find_set(text);
    if (set == nullptr) {
      add(text, text);
      continue;
    }
    for (const auto network : set->networks) add(network, fmt::format("{} ({})", text, network));
  }
}

void Networks::add(std::string_view network, const std::string& name) {
  if (const auto parsed = parse(network)) ranges_.push_back({parsed->first, parsed->second, name});
}

const std::string* Networks::holding(const ip::address& address) const {
  if (ranges_.empty()) return nullptr;
  const auto bytes = mapped(address);
  if (const auto* found = holding(bytes)) return found;
  for (const auto& embedding : kEmbeddings) {
    if (!begins_with(bytes, ip::make_address_v6(embedding.prefix).to_bytes(), embedding.bits)) continue;
    ip::address_v4::bytes_type inner{};
    for (std::size_t i = 0; i < inner.size(); ++i) inner.at(i) = bytes.at(embedding.at + i) ^ embedding.flipped;
    if (const auto* found = holding(mapped(ip::address_v4(inner)))) return found;
  }
  return nullptr;
}

const std::string* Networks::holding(const Bytes& bytes) const {
  const auto found =
      std::ranges::find_if(ranges_, [&](const Range& range) { return begins_with(bytes, range.bytes, range.bits); });
  return found == ranges_.end() ? nullptr : &found->name;
}

DenyList& DenyList::of(const asio::any_io_executor& io) {
  return asio::use_service<DenyList>(asio::query(io, asio::execution::context));
}

std::optional<Failure> DenyList::refuse(const ip::address& address, std::uint16_t port) const {
  const auto* const network = networks_.holding(address);
  if (network == nullptr) return std::nullopt;
  return Failure{common::Outcome::kAddressDenied,
                 fmt::format("no connection is made to {}: limits.deny_networks holds {}", endpoint_text(address, port),
                             *network)};
}

}  // namespace monitor::net
