#include "net/connection_pool.h"

#include <utility>

namespace monitor::net {

using std::chrono::steady_clock;

ConnectionPool::ConnectionPool(const boost::asio::any_io_executor& io, std::size_t max_connections,
                               std::chrono::milliseconds max_idle)
    : max_connections_(max_connections), max_idle_(max_idle), timer_(io) {}

ConnectionPool::~ConnectionPool() {
  *alive_ = false;
}

std::unique_ptr<Connection> ConnectionPool::take(const std::string& key) {
  sweep();
  for (auto place = idle_.end(); place != idle_.begin();) {
    --place;
    if (place->key != key) continue;
    auto connection = std::move(place->connection);
    place = idle_.erase(place);
    if (connection->usable()) return connection;
  }
  return nullptr;
}

void ConnectionPool::put(std::string key, std::unique_ptr<Connection> connection) {
  sweep();
  if (max_connections_ == 0 || !connection->usable()) return;
  connection->set_deadline(common::SteadyTime::max());
  if (idle_.size() >= max_connections_) idle_.pop_front();
  idle_.push_back({std::move(key), std::move(connection), steady_clock::now()});
  arm();
}

void ConnectionPool::sweep() {
  const auto too_old = steady_clock::now() - max_idle_;
  while (!idle_.empty() && idle_.front().since <= too_old) idle_.pop_front();
}

void ConnectionPool::arm() {
  if (armed_ || idle_.empty()) return;
  armed_ = true;
  timer_.expires_at(idle_.front().since + max_idle_);
  timer_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
    if (error || !*alive) return;
    armed_ = false;
    sweep();
    arm();
  });
}

}  // namespace monitor::net
