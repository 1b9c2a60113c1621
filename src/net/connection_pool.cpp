#include "net/connection_pool.h"

#include <iterator>
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
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  auto& places = found->second;
  while (!places.empty()) {
    const auto newest = places.back();
    places.pop_back();
    auto connection = std::move(newest->connection);
    idle_.erase(newest);
    if (connection->usable()) return connection;
  }
  return nullptr;
}

void ConnectionPool::put(const std::string& key, std::unique_ptr<Connection> connection) {
  sweep();
  if (max_connections_ == 0) return;
  connection->set_deadline(common::SteadyTime::max());
  if (idle_.size() >= max_connections_) drop_oldest();
  auto& of_key = entry(key);
  idle_.push_back({&of_key, std::move(connection), steady_clock::now()});
  of_key.second.push_back(std::prev(idle_.end()));
  arm();
}

ConnectionPool::Places::value_type& ConnectionPool::entry(const std::string& key) {
  if (by_key_.size() >= 2 * max_connections_ && !by_key_.contains(key)) {
    std::erase_if(by_key_, [](const auto& of_key) { return of_key.second.empty(); });
  }
  return *by_key_.try_emplace(key).first;
}

void ConnectionPool::drop_oldest() {
  auto& of_key = *idle_.front().of_key;
  of_key.second.erase(of_key.second.begin());
  if (of_key.second.empty()) by_key_.erase(by_key_.find(of_key.first));
  idle_.pop_front();
}

void ConnectionPool::limit(std::size_t max_connections) {
  max_connections_ = max_connections;
  while (idle_.size() > max_connections_) drop_oldest();
}

void ConnectionPool::sweep() {
  const auto too_old = steady_clock::now() - max_idle_;
  while (!idle_.empty() && idle_.front().since <= too_old) drop_oldest();
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
