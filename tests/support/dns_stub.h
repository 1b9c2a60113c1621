// A name server on loopback (UDP, and TCP when told to) that answers as the test says. Runs on a thread of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace monitor::test {

/// What is said of one name. The defaults say that it exists without any address.
struct DnsAnswer {
  std::vector<std::string> v4{}, v6{};
  std::uint32_t ttl = 60;
  int rcode = 0;                     ///< RFC 1035 §4.1.1: 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED
  bool silent = false;               ///< no answer at all
  bool silent_v6 = false;            ///< no answer for AAAA
  std::vector<std::string> chain{};  ///< aliases: the name is the first, that the next…; the last has the addresses
  bool truncated = false;            ///< TC over UDP: ask again over TCP (RFC 1035 §4.1.1), on which nobody may listen
  bool noise = false;   ///< before the answer: an empty packet, a short one, one with another id, one of junk
  bool broken = false;  ///< the answer ends in the middle of a record
};

class DnsStub {
 public:
  DnsStub();
  ~DnsStub();
  DnsStub(const DnsStub&) = delete;
  DnsStub& operator=(const DnsStub&) = delete;

  /// A name that was never set does not exist.
  void set(const std::string& name, DnsAnswer answer);
  void set_default(DnsAnswer answer);
  /// Answers over TCP as well, where nothing is truncated: a resolver takes no more than 512 bytes over UDP.
  void listen_tcp();
  /// How often `name` was asked for, both families counted.
  int questions(const std::string& name);
  /// Blocks until that many questions for `name` have come. False: not within ten seconds.
  bool wait_for(const std::string& name, int count);
  /// Answers what has been asked for and was left unanswered, by what is set now.
  void answer_now();
  std::uint16_t port() const { return port_; }
  /// `127.0.0.1:PORT`.
  std::string address() const;

 private:
  struct Question;
  std::uint16_t bind_both();
  void serve();
  void hear_udp();
  bool hear_tcp(int client);
  void take(Question& question, std::string_view packet);
  void answer(const Question& question);
  static std::string reply_to(const Question& question, const DnsAnswer& say);

  int socket_ = -1;
  int tcp_ = -1;
  std::atomic<bool> listens_{false};
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::map<std::string, DnsAnswer> answers_;
  DnsAnswer default_;
  std::map<std::string, int> questions_;
  std::vector<Question> unanswered_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace monitor::test
