#include "net/dns_channel.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <ares.h>
#include <fmt/format.h>

#include "common/error.h"
#include "net/failure.h"

namespace monitor::net {
namespace {

namespace asio = boost::asio;
using Status = DnsReply::Status;

// A lost packet is asked for again soon: c-ares waits 1.5 s and then 3 s. Nobody can take a question back, so one whose
// asker has gone stays open until then: who waits longer asks anew.
constexpr int kFirstTimeoutMs = 1500;
constexpr int kRounds = 2;
// How often open questions are looked at: to ask c-ares for the next moment costs a walk over all of them.
constexpr std::chrono::milliseconds kTick{100};
// More than any name has in earnest; bounds what one answer can make us try. The first ones are kept.
constexpr int kMaxAddresses = 64;

Status to_status(int status) {
  switch (status) {
    case ARES_SUCCESS:
      return Status::kAddresses;
    case ARES_ENOTFOUND:
      return Status::kNoSuchName;
    case ARES_ENODATA:
      return Status::kNoData;
    case ARES_ESERVFAIL:
      return Status::kServerFailure;
    case ARES_EREFUSED:
      return Status::kRefused;
    case ARES_ETIMEOUT:
      return Status::kTimeout;
    case ARES_ECONNREFUSED:
      return Status::kNoServer;
    case ARES_ENOMEM:
      return Status::kLocal;
    case ARES_EDESTRUCTION:
    case ARES_ECANCELLED:
      return Status::kAbandoned;
    default:
      return Status::kOtherFailure;
  }
}

template <typename Entry>
void take(DnsReply& reply, const Entry& entry, asio::ip::address address) {
  const std::chrono::seconds ttl{std::max(entry.ttl, 0)};
  reply.ttl = reply.addresses.empty() ? ttl : std::min(reply.ttl, ttl);
  reply.addresses.push_back(std::move(address));
}

int parse_v4(const unsigned char* answer, int length, DnsReply& reply) {
  std::array<ares_addrttl, kMaxAddresses> entries{};
  int count = kMaxAddresses;
  const int status = ::ares_parse_a_reply(answer, length, nullptr, entries.data(), &count);
  for (int i = 0; status == ARES_SUCCESS && i < count; ++i) {
    const auto& entry = entries.at(static_cast<std::size_t>(i));
    take(reply, entry, asio::ip::address_v4(ntohl(entry.ipaddr.s_addr)));
  }
  return status;
}

int parse_v6(const unsigned char* answer, int length, DnsReply& reply) {
  std::array<ares_addr6ttl, kMaxAddresses> entries{};
  int count = kMaxAddresses;
  const int status = ::ares_parse_aaaa_reply(answer, length, nullptr, entries.data(), &count);
  for (int i = 0; status == ARES_SUCCESS && i < count; ++i) {
    const auto& entry = entries.at(static_cast<std::size_t>(i));
    asio::ip::address_v6::bytes_type bytes{};
    std::ranges::copy(entry.ip6addr._S6_un._S6_u8, bytes.begin());
    take(reply, entry, asio::ip::address_v6(bytes));
  }
  return status;
}

/// The name in the question section (RFC 1035 §4.1.2).
std::string asked_name(const unsigned char* answer, int length) {
  constexpr int kHeaderBytes = 12;
  char* name = nullptr;
  long encoded = 0;
  if (length <= kHeaderBytes || ::ares_expand_name(answer + kHeaderBytes, answer, length, &name, &encoded) != 0) {
    return {};
  }
  const std::unique_ptr<char, void (*)(void*)> owner(name, ::ares_free_string);
  return name;
}

}  // namespace

/// A socket that c-ares opened and will close; `owner` is null from then on.
struct DnsChannel::Socket {
  Socket(const asio::any_io_executor& io, DnsChannel* channel) : descriptor(io), owner(channel) {}
  asio::posix::stream_descriptor descriptor;
  DnsChannel* owner;
  bool wants_read = false, wants_write = false;
  bool awaits_read = false, awaits_write = false;
};

struct DnsChannel::Question {
  DnsChannel* channel;
  Family family;
  OnReply on_reply;
};

/// What c-ares calls. Its sockets are opened here so that an errno of ours is not taken for a dead name server.
struct DnsChannel::Callbacks {
  static void socket_state(void* self, ares_socket_t descriptor, int read, int write) {
    static_cast<DnsChannel*>(self)->watch(descriptor, read != 0, write != 0);
  }
  static void answered(void* argument, int status, int /*timeouts*/, unsigned char* answer, int length) {
    const std::unique_ptr<Question> question(static_cast<Question*>(argument));
    --question->channel->open_;
    question->on_reply(question->channel->reply(status, answer, length, question->family));
  }
  static ares_socket_t open(int family, int type, int protocol, void* self) {
    const int descriptor = ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    static_cast<DnsChannel*>(self)->socket_error_ = descriptor < 0 ? errno : 0;
    return descriptor;
  }
  static int close(ares_socket_t descriptor, void* /*self*/) { return ::close(descriptor); }
  static int connect(ares_socket_t descriptor, const sockaddr* address, ares_socklen_t length, void* /*self*/) {
    return ::connect(descriptor, address, length);
  }
  static ares_ssize_t receive(ares_socket_t descriptor, void* buffer, std::size_t size, int flags, sockaddr* from,
                              ares_socklen_t* length, void* /*self*/) {
    return ::recvfrom(descriptor, buffer, size, flags, from, length);
  }
  static ares_ssize_t send(ares_socket_t descriptor, const iovec* parts, int count, void* /*self*/) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<std::size_t>(count);
    return ::sendmsg(descriptor, &message, MSG_NOSIGNAL);
  }
  static constexpr ares_socket_functions kSockets{open, close, connect, receive, send};
};

DnsChannel::DnsChannel(asio::any_io_executor io, const System& system, bool fail_over) : io_(io), timer_(io) {
  ares_options options{};
  std::string resolv_conf = system.resolv_conf;
  options.flags = (fail_over ? 0 : ARES_FLAG_NOCHECKRESP) | (system.hosts.empty() ? ARES_FLAG_NOSEARCH : 0);
  options.timeout = kFirstTimeoutMs;
  options.tries = kRounds;
  options.udp_port = options.tcp_port = system.dns_port;
  options.sock_state_cb = Callbacks::socket_state;
  options.sock_state_cb_data = this;
  options.resolvconf_path = resolv_conf.data();
  const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT |
                   ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF;
  int status = ::ares_library_init(ARES_LIB_INIT_ALL);
  if (status == ARES_SUCCESS) status = ::ares_init_options(&channel_, &options, mask);
  if (status == ARES_SUCCESS && !system.name_servers.empty()) {
    status = ::ares_set_servers_ports_csv(channel_, system.name_servers.c_str());
  }
  if (status != ARES_SUCCESS) {
    if (channel_ != nullptr) ::ares_destroy(channel_);
    if (status == ARES_ENOMEM) throw std::bad_alloc();
    throw common::Error(fmt::format("cannot set up the resolver from {}: {}: see whether the file can be read",
                                    system.resolv_conf, ::ares_strerror(status)));
  }
  ::ares_set_socket_functions(channel_, &Callbacks::kSockets, this);
  ares_addr_node* servers = nullptr;
  if (::ares_get_servers(channel_, &servers) == ARES_SUCCESS) {
    for (const auto* server = servers; server != nullptr; server = server->next) ++servers_;
    ::ares_free_data(servers);
  }
}

DnsChannel::~DnsChannel() {
  *alive_ = false;
  ::ares_destroy(channel_);
}

void DnsChannel::ask(const std::string& name, Family family, OnReply on_reply) {
  if (open_ >= kMaxOpen) {
    DnsReply refusal;
    refusal.status = Status::kLocal;
    refusal.detail = fmt::format("{} questions wait for the name servers already", open_);
    return on_reply(std::move(refusal));
  }
  auto question = std::make_unique<Question>(Question{this, family, std::move(on_reply)});
  ++open_;
  constexpr int kInternet = 1, kA = 1, kAaaa = 28;  // RFC 1035 §3.2.4 and §3.2.2, RFC 3596 §2.1
  ::ares_search(channel_, name.c_str(), kInternet, family == Family::kV4 ? kA : kAaaa, Callbacks::answered,
                question.release());
  tick();
}

DnsReply DnsChannel::reply(int status, const unsigned char* answer, int length, Family family) const {
  DnsReply out;
  if (status == ARES_SUCCESS) {
    status = family == Family::kV4 ? parse_v4(answer, length, out) : parse_v6(answer, length, out);
  }
  out.status = to_status(status);
  if (out.status == Status::kAddresses && out.addresses.empty()) out.status = Status::kNoData;
  if (out.status == Status::kAddresses) out.asked = asked_name(answer, length);
  if (out.status == Status::kOtherFailure) out.detail = ::ares_strerror(status);
  if (out.status == Status::kLocal) out.error_number = ENOMEM;
  if (out.status == Status::kNoServer && is_local_fault(socket_error_)) {
    out.status = Status::kLocal;
    out.error_number = socket_error_;
  }
  return out;
}

void DnsChannel::watch(int descriptor, bool read, bool write) {
  auto known = sockets_.find(descriptor);
  if (!read && !write) {
    if (known == sockets_.end()) return;
    known->second->owner = nullptr;
    known->second->descriptor.release();  // c-ares closes it
    sockets_.erase(known);
    return;
  }
  if (known == sockets_.end()) {
    auto fresh = std::make_shared<Socket>(io_, this);
    boost::system::error_code error;  // nothing may be thrown through c-ares
    fresh->descriptor.assign(descriptor, error);
    if (error) {
      socket_error_ = error.value();
      return;
    }
    known = sockets_.emplace(descriptor, std::move(fresh)).first;
  }
  const auto socket = known->second;
  socket->wants_read = read;
  socket->wants_write = write;
  if (read && !socket->awaits_read) await_event(socket, false);
  if (write && !socket->awaits_write) await_event(socket, true);
}

void DnsChannel::await_event(const std::shared_ptr<Socket>& socket, bool write) {
  (write ? socket->awaits_write : socket->awaits_read) = true;
  const auto event = write ? asio::posix::descriptor_base::wait_write : asio::posix::descriptor_base::wait_read;
  socket->descriptor.async_wait(event, [socket, write](const boost::system::error_code& error) {
    (write ? socket->awaits_write : socket->awaits_read) = false;
    if (error || socket->owner == nullptr) return;
    auto* const channel = socket->owner;
    const int descriptor = socket->descriptor.native_handle();
    channel->process(write ? ARES_SOCKET_BAD : descriptor, write ? descriptor : ARES_SOCKET_BAD);
    const bool again =
        write ? socket->wants_write && !socket->awaits_write : socket->wants_read && !socket->awaits_read;
    if (socket->owner != nullptr && again) channel->await_event(socket, write);
  });
}

void DnsChannel::process(int read_descriptor, int write_descriptor) {
  ::ares_process_fd(channel_, read_descriptor, write_descriptor);
  tick();
}

void DnsChannel::tick() {
  if (open_ == 0) {
    timer_.cancel();
    ticking_ = false;
  }
  if (open_ == 0 || ticking_) return;
  ticking_ = true;
  timer_.expires_after(kTick);
  timer_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
    if (error || !*alive) return;
    ticking_ = false;
    process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  });
}

}  // namespace monitor::net
