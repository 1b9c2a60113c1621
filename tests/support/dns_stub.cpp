#include "support/dns_stub.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

namespace monitor::test {
namespace {

constexpr std::uint16_t kTypeA = 1, kTypeAaaa = 28;
constexpr std::uint16_t kTypeCname = 5;
constexpr std::size_t kHeaderBytes = 12;

void put16(std::string& out, std::uint16_t value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value & 0xFF);
}

/// RFC 1035 §3.1: labels with their lengths.
std::string encode_name(const std::string& name) {
  std::string out;
  for (std::size_t at = 0; at < name.size();) {
    const auto end = std::min(name.find('.', at), name.size());
    out += static_cast<char>(end - at);
    out += name.substr(at, end - at);
    at = end + 1;
  }
  return out + '\0';
}

void put_record(std::string& out, const std::string& name, std::uint16_t type, std::uint32_t ttl,
                const std::string& data) {
  out += encode_name(name);
  put16(out, type);
  put16(out, 1);
  put16(out, static_cast<std::uint16_t>(ttl >> 16));
  put16(out, static_cast<std::uint16_t>(ttl & 0xFFFF));
  put16(out, static_cast<std::uint16_t>(data.size()));
  out += data;
}

std::string encode_address(const std::string& text, bool v6) {
  std::string bytes(v6 ? 16 : 4, '\0');
  if (::inet_pton(v6 ? AF_INET6 : AF_INET, text.c_str(), bytes.data()) != 1) throw std::invalid_argument(text);
  return bytes;
}

}  // namespace

struct DnsStub::Question {
  sockaddr_in from{};
  int client = -1;  ///< over TCP; else −1
  std::string id;   ///< two bytes
  std::string raw;  ///< the question section
  std::string name;
  std::uint16_t type = 0;
};

// The TCP port of the same number is ours from the start, or another process could have it when it is needed. As long
// as nobody listens on it, a connection is refused.
DnsStub::DnsStub() {
  default_.rcode = 3;
  constexpr int kTries = 20;
  for (int i = 0; i < kTries && port_ == 0; ++i) port_ = bind_both();
  if (port_ == 0) throw std::runtime_error("the test's name server cannot bind");
  thread_ = std::thread([this] { serve(); });
}

std::uint16_t DnsStub::bind_both() {
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof where;
  socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  tcp_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(tcp_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // a test may put a server of its own there
  if (::bind(tcp_, reinterpret_cast<const sockaddr*>(&where), size) == 0 &&
      ::getsockname(tcp_, reinterpret_cast<sockaddr*>(&where), &size) == 0 &&
      ::bind(socket_, reinterpret_cast<const sockaddr*>(&where), size) == 0) {
    return ntohs(where.sin_port);
  }
  ::close(socket_);
  ::close(tcp_);
  return 0;
}

DnsStub::~DnsStub() {
  stopping_ = true;
  thread_.join();
  ::close(socket_);
  ::close(tcp_);
}

void DnsStub::set(const std::string& name, DnsAnswer answer) {
  const std::lock_guard lock(mutex_);
  answers_[name] = std::move(answer);
}

void DnsStub::set_default(DnsAnswer answer) {
  const std::lock_guard lock(mutex_);
  default_ = std::move(answer);
}

int DnsStub::questions(const std::string& name) {
  const std::lock_guard lock(mutex_);
  return questions_[name];
}

bool DnsStub::wait_for(const std::string& name, int count) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{10};
  while (questions(name) < count) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

void DnsStub::answer_now() {
  const std::lock_guard lock(mutex_);
  for (const auto& question : std::exchange(unanswered_, {})) answer(question);
}

std::string DnsStub::address() const {
  return fmt::format("127.0.0.1:{}", port_);
}

void DnsStub::listen_tcp() {
  if (::listen(tcp_, 16) != 0) throw std::runtime_error("the test's name server cannot listen");
  listens_ = true;
}

void DnsStub::serve() {
  std::vector<int> clients;
  while (!stopping_) {
    std::vector<pollfd> ready{{socket_, POLLIN, 0}, {listens_ ? tcp_ : -1, POLLIN, 0}};
    for (const int client : clients) ready.push_back({client, POLLIN, 0});
    if (::poll(ready.data(), ready.size(), 20) <= 0) continue;
    if (ready[0].revents != 0) hear_udp();
    if (ready[1].revents != 0) clients.push_back(::accept4(tcp_, nullptr, nullptr, SOCK_CLOEXEC));
    for (std::size_t i = 2; i < ready.size(); ++i) {
      if (ready[i].revents == 0 || hear_tcp(ready[i].fd)) continue;
      ::close(ready[i].fd);
      std::erase(clients, ready[i].fd);
    }
  }
  for (const int client : clients) ::close(client);
}

void DnsStub::hear_udp() {
  std::array<char, 1500> packet{};
  Question question;
  socklen_t size = sizeof question.from;
  const auto got =
      ::recvfrom(socket_, packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&question.from), &size);
  if (got > 0) take(question, {packet.data(), static_cast<std::size_t>(got)});
}

bool DnsStub::hear_tcp(int client) {
  std::array<char, 1500> packet{};
  if (::recv(client, packet.data(), 2, MSG_WAITALL) != 2) return false;
  const auto length =
      static_cast<std::size_t>(static_cast<unsigned char>(packet[0]) << 8 | static_cast<unsigned char>(packet[1]));
  if (length > packet.size() || ::recv(client, packet.data(), length, MSG_WAITALL) != static_cast<ssize_t>(length)) {
    return false;
  }
  Question question;
  question.client = client;
  take(question, {packet.data(), length});
  return true;
}

void DnsStub::take(Question& question, std::string_view packet) {
  if (packet.size() < kHeaderBytes) return;
  question.id = packet.substr(0, 2);
  std::size_t at = kHeaderBytes;
  while (at < packet.size() && packet[at] != 0) {
    const auto length = static_cast<std::size_t>(packet[at]);
    question.name += question.name.empty() ? "" : ".";
    question.name += packet.substr(at + 1, length);
    at += length + 1;
  }
  if (at + 5 > packet.size()) return;
  question.type = static_cast<std::uint16_t>(static_cast<unsigned char>(packet[at + 1]) << 8 |
                                             static_cast<unsigned char>(packet[at + 2]));
  question.raw = packet.substr(kHeaderBytes, at + 5 - kHeaderBytes);
  const std::lock_guard lock(mutex_);
  ++questions_[question.name];
  answer(question);
}

void DnsStub::answer(const Question& question) {
  const auto known = answers_.find(question.name);
  auto say = known == answers_.end() ? default_ : known->second;
  if (say.silent || (say.silent_v6 && question.type == kTypeAaaa)) {
    unanswered_.push_back(question);
    return;
  }
  if (question.client >= 0) {
    say.truncated = false;
    std::string out;
    const auto message = reply_to(question, say);
    put16(out, static_cast<std::uint16_t>(message.size()));
    out += message;
    ::send(question.client, out.data(), out.size(), MSG_NOSIGNAL);
    return;
  }
  const auto send = [&](const std::string& packet) {
    ::sendto(socket_, packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&question.from),
             sizeof question.from);
  };
  const auto packet = reply_to(question, say);
  if (say.noise) {
    send("");
    send(packet.substr(0, 5));
    auto other = packet;
    other[0] = static_cast<char>(other[0] ^ 0x55);
    send(other);
    send(question.id + std::string(40, '\xC0'));
  }
  send(say.broken ? packet.substr(0, packet.size() - 3) : packet);
}

std::string DnsStub::reply_to(const Question& question, const DnsAnswer& say) {
  std::string records;
  std::size_t count = 0;
  std::string name = question.name;
  for (const auto& next : say.chain) {
    put_record(records, name, kTypeCname, say.ttl, encode_name(next));
    name = next;
    ++count;
  }
  const bool v6 = question.type == kTypeAaaa;
  for (const auto& text : v6 ? say.v6 : say.v4) {
    if (!v6 && question.type != kTypeA) break;
    put_record(records, name, question.type, say.ttl, encode_address(text, v6));
    ++count;
  }
  constexpr unsigned kAnswer = 0x8180U, kTruncated = 0x0200U;
  std::string out = question.id;
  put16(out,
        static_cast<std::uint16_t>(kAnswer | (say.truncated ? kTruncated : 0U) | static_cast<unsigned>(say.rcode)));
  put16(out, 1);
  put16(out, static_cast<std::uint16_t>(say.truncated ? 0 : count));
  put16(out, 0);
  put16(out, 0);
  return out + question.raw + (say.truncated ? std::string{} : records);
}

}  // namespace monitor::test
