// The daemon's control socket: answers one request a connection, from the same user or root alone. io thread only.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/json/object.hpp>

#include "app/control_file.h"
#include "async/event.h"
#include "async/task_group.h"

namespace monitor::app::control {

/// How long a client is waited for. What a handler takes is its own affair.
struct Patience {
  std::chrono::milliseconds request{2000};
  std::chrono::milliseconds answer{5000};
};

class Server {
 public:
  /// Gets the request without `command`; gives what the answer has beside `ok`. A common::Error is the answer's
  /// sentence.
  using Handler = std::function<boost::asio::awaitable<boost::json::object>(boost::json::object)>;

  /// As many requests are read, or carried out, at once; more wait until one is answered.
  static constexpr std::size_t kMaxConnections = 16;

  /// How often the socket's file is looked at: one that somebody took away is made again.
  static constexpr std::chrono::milliseconds kLookEvery{5000};

  Server(boost::asio::any_io_executor io, const std::filesystem::path& database, Patience patience = Patience{},
         std::chrono::milliseconds look_every = kLookEvery);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void handle(const std::string& command, Handler handler);
  /// Makes the socket. The database's lock is held. Throws common::Error.
  void open();
  /// Until cancelled; then no request is carried out any more.
  boost::asio::awaitable<void> run();

 private:
  using Socket = boost::asio::local::stream_protocol::socket;

  void close();
  boost::asio::awaitable<void> look_after_file();
  void make_again();
  boost::asio::awaitable<void> serve(Socket socket);
  boost::asio::awaitable<void> converse(Socket& socket);
  boost::asio::awaitable<std::string> answer(std::string line);
  boost::asio::awaitable<void> accept_one();

  boost::asio::any_io_executor io_;
  SocketFile file_;  ///< taken away with this
  const Patience patience_;
  const std::chrono::milliseconds look_every_;
  bool missing_ = false;  ///< as said: it cannot be made again
  std::map<std::string, Handler> handlers_;
  boost::asio::local::stream_protocol::acceptor acceptor_;
  async::TaskGroup connections_;
  std::size_t running_ = 0;  ///< of them
  async::Event room_, opened_;
};

}  // namespace monitor::app::control
