// One c-ares channel on an io_context: its sockets, its timer, its answers. io thread only.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/hosts_file.h"
#include "net/system.h"

struct ares_channeldata;

namespace monitor::net {

enum class Family { kV4, kV6 };

/// What the name servers said about one family of one name.
struct DnsReply {
  enum class Status {
    kAddresses,
    kNoSuchName,     ///< NXDOMAIN
    kNoData,         ///< the name exists, but has no address of this family
    kServerFailure,  ///< SERVFAIL
    kRefused,        ///< REFUSED
    kOtherFailure,   ///< any other code, an answer that cannot be read, or a name that cannot be asked for
    kTimeout,
    kNoServer,   ///< no name server could be reached
    kLocal,      ///< we could not ask: `error_number` says why
    kAbandoned,  ///< the channel was destroyed before the answer came
  };
  Status status = Status::kTimeout;
  Addresses addresses;
  std::string asked;            ///< with addresses: the name that has them, `name` or one made with a search domain
  std::chrono::seconds ttl{0};  ///< the smallest one on the way to the addresses
  std::string detail;           ///< for kOtherFailure: what c-ares calls it; for kLocal: why, if it is no errno
  int error_number = 0;
};

class DnsChannel {
 public:
  using OnReply = std::function<void(DnsReply)>;
  /// Questions that may be open at once; above it the answer is kLocal. DNS numbers them with 16 bits, and c-ares looks
  /// for a free number without end.
  static constexpr std::size_t kMaxOpen = 32'768;

  /// `fail_over`: a server that answers SERVFAIL or REFUSED is passed over for the next one, and when all do, the
  /// answer is kNoServer. Without it that answer is taken as it is.
  /// Throws common::Error when c-ares cannot be set up.
  DnsChannel(boost::asio::any_io_executor io, const System& system, bool fail_over);
  /// Every question still open is answered with kAbandoned before this returns.
  ~DnsChannel();
  DnsChannel(const DnsChannel&) = delete;
  DnsChannel& operator=(const DnsChannel&) = delete;

  /// Calls `on_reply` once: from the io_context, or before this returns. It must not throw or destroy the channel.
  void ask(const std::string& name, Family family, OnReply on_reply);
  std::size_t servers() const { return servers_; }

 private:
  struct Socket;
  struct Question;
  struct Callbacks;

  void watch(int descriptor, bool read, bool write);
  void await_event(const std::shared_ptr<Socket>& socket, bool write);
  void process(int read_descriptor, int write_descriptor);
  void tick();
  DnsReply reply(int status, const unsigned char* answer, int length, Family family) const;

  boost::asio::any_io_executor io_;
  boost::asio::steady_timer timer_;
  ares_channeldata* channel_ = nullptr;
  std::size_t servers_ = 0;
  std::size_t open_ = 0;  ///< questions
  bool ticking_ = false;
  std::unordered_map<int, std::shared_ptr<Socket>> sockets_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  int socket_error_ = 0;  ///< errno of the last socket that could not be opened; 0 after one that could
};

}  // namespace monitor::net
