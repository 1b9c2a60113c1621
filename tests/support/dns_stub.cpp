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
  std::string id;   ///< two bytes
  std::string raw;  ///< the question section
  std::string name;
  std::uint16_t type = 0;
};

DnsStub::DnsStub() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  default_.rcode = 3;
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof where;
  if (::bind(socket_, reinterpret_cast<const sockaddr*>(&where), size) != 0 ||
      ::getsockname(socket_, reinterpret_cast<sockaddr*>(&where), &size) != 0) {
    throw std::runtime_error("the test's name server cannot bind");
  }
  port_ = ntohs(where.sin_port);
  thread_ = std::thread([this] { serve(); });
}

DnsStub::~DnsStub() {
  stopping_ = true;
  thread_.join();
  ::close(socket_);
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

void DnsStub::serve() {
  std::array<char, 1500> packet{};
  while (!stopping_) {
    pollfd ready{socket_, POLLIN, 0};
    if (::poll(&ready, 1, 20) <= 0) continue;
    Question question;
    socklen_t size = sizeof question.from;
    const auto got =
        ::recvfrom(socket_, packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&question.from), &size);
    if (got < static_cast<ssize_t>(kHeaderBytes)) continue;
    const std::string_view all(packet.data(), static_cast<std::size_t>(got));
    question.id = all.substr(0, 2);
    std::size_t at = kHeaderBytes;
    while (at < all.size() && all[at] != 0) {
      const auto length = static_cast<std::size_t>(all[at]);
      question.name += question.name.empty() ? "" : ".";
      question.name += all.substr(at + 1, length);
      at += length + 1;
    }
    if (at + 5 > all.size()) continue;
    question.type = static_cast<std::uint16_t>(static_cast<unsigned char>(all[at + 1]) << 8 |
                                               static_cast<unsigned char>(all[at + 2]));
    question.raw = all.substr(kHeaderBytes, at + 5 - kHeaderBytes);
    const std::lock_guard lock(mutex_);
    ++questions_[question.name];
    answer(question);
  }
}

void DnsStub::answer(const Question& question) {
  const auto known = answers_.find(question.name);
  const auto& say = known == answers_.end() ? default_ : known->second;
  if (say.silent || (say.silent_v6 && question.type == kTypeAaaa)) {
    unanswered_.push_back(question);
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
