// A small HTTP/1.1 server for the example application: bounded in connections, sizes and time. io thread only.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "async/task_group.h"
#include "site.h"

namespace monitor::example {

class Server {
 public:
  /// Listens at once. Port 0 takes any free one. Throws boost::system::system_error when it cannot.
  Server(const boost::asio::any_io_executor& io, const boost::asio::ip::tcp::endpoint& where);

  boost::asio::ip::tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }
  /// Accepts until cancelled; while too many sessions run, newcomers wait in the kernel's queue.
  boost::asio::awaitable<void> accept();
  /// Closes every connection; returns when no session runs any more.
  boost::asio::awaitable<void> stop();

 private:
  boost::asio::awaitable<void> serve(boost::asio::ip::tcp::socket socket);

  boost::asio::ip::tcp::acceptor acceptor_;
  Site site_;
  async::TaskGroup sessions_;
};

}  // namespace monitor::example
