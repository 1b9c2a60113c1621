#include "app/control_client.h"

#include <array>
#include <cerrno>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "app/control_address.h"
#include "app/control_protocol.h"

namespace monitor::app::control {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

/// One request, one answer, within one limit.
class Conversation {
 public:
  Conversation(fs::path socket, milliseconds limit)
      : path_(std::move(socket)), limit_(limit), end_(steady_clock::now() + limit) {}
  ~Conversation() {
    if (socket_ >= 0) ::close(socket_);
  }
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  /// False: nobody listens there.
  bool connect() {
    socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket_ < 0) fail("make a socket for");
    const Address address(path_);
    while (::connect(socket_, address.data(), address.size()) != 0) {
      if (errno == ENOENT || errno == ECONNREFUSED) return false;
      if (errno == EINTR) continue;
      if (errno != EAGAIN) fail("ask");
      // Its queue of connections is full.
      if (steady_clock::now() >= end_) silence();
      ::poll(nullptr, 0, kAgainMs);
    }
    return true;
  }

  void send(std::string_view text) {
    while (!text.empty()) {
      const auto sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        text.remove_prefix(static_cast<std::size_t>(sent));
      } else if (errno == EAGAIN) {
        wait_for(POLLOUT);
      } else if (errno != EINTR) {
        fail("ask");
      }
    }
  }

  std::string receive_line() {
    std::string line;
    std::array<char, std::size_t{16} << 10> piece;
    while (!line.ends_with('\n')) {
      const auto got = ::recv(socket_, piece.data(), piece.size(), 0);
      if (got > 0) {
        line.append(piece.data(), static_cast<std::size_t>(got));
        if (line.size() > kMaxAnswerBytes) throw common::Error("the daemon's answer is longer than 4 MiB");
      } else if (got == 0) {
        throw common::Error(fmt::format("the daemon at {} broke off; its log may say why", path_.string()));
      } else if (errno == EAGAIN) {
        wait_for(POLLIN);
      } else if (errno != EINTR) {
        fail("hear");
      }
    }
    line.pop_back();
    return line;
  }

 private:
  static constexpr int kAgainMs = 20;

  void wait_for(short event) {
    const auto left = std::chrono::ceil<milliseconds>(end_ - steady_clock::now());
    pollfd watched{.fd = socket_, .events = event, .revents = 0};
    if (left.count() <= 0 || ::poll(&watched, 1, static_cast<int>(left.count())) == 0) silence();
  }

  [[noreturn]] void fail(std::string_view action) const {
    const std::string reason = common::errno_text(errno);
    throw common::Error(fmt::format("cannot {} the daemon at {}: {}{}", action, path_.string(), reason,
                                    errno == EACCES ? "; run this as the daemon's user, or as root" : ""));
  }

  [[noreturn]] void silence() const {
    throw NoAnswer(fmt::format("the daemon at {} does not answer within {} ms: it hangs, or is stopped", path_.string(),
                               limit_.count()));
  }

  const fs::path path_;
  const milliseconds limit_;
  const steady_clock::time_point end_;
  int socket_ = -1;
};

}  // namespace

std::optional<boost::json::object> ask(const fs::path& database, const boost::json::object& request,
                                       milliseconds limit) {
  Conversation conversation(socket_path(database), limit);
  if (!conversation.connect()) return std::nullopt;
  conversation.send(boost::json::serialize(request) + "\n");
  return parse_answer(conversation.receive_line());
}

}  // namespace monitor::app::control
