// How many sockets all races together hold beside the first of each, and may hold. io thread only.
#pragma once

#include <cstddef>
#include <limits>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution_context.hpp>

namespace monitor::net {

/// One for each io_context; without a limit until one is set.
class SpareSockets final : public boost::asio::execution_context::service {
 public:
  using key_type = SpareSockets;
  static boost::asio::execution_context::id id;

  explicit SpareSockets(boost::asio::execution_context& context) : service(context) {}
  /// The one of this executor's io_context.
  static SpareSockets& of(const boost::asio::any_io_executor& io);

  void limit(std::size_t most) { most_ = most; }
  std::size_t taken() const { return taken_; }
  bool any() const { return taken_ < most_; }
  void take() { ++taken_; }
  void give_back() { --taken_; }

 private:
  void shutdown() override {}

  std::size_t taken_ = 0, most_ = std::numeric_limits<std::size_t>::max();
};

}  // namespace monitor::net
