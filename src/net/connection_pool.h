// Connections that wait to be used again, bounded in number and age. io thread only.
#pragma once

#include <chrono>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/units.h"
#include "net/connection.h"

namespace monitor::net {

/// Closes a connection that nobody took within its time, by the real steady clock. While any waits, one timer is
/// pending on the io_context; destroying the pool ends that and closes them all.
class ConnectionPool {
 public:
  /// Servers close what idles for a minute or two; a connection older than this is not worth the risk.
  static constexpr std::chrono::seconds kMaxIdle{90};

  /// `max_connections`: over all keys (net::Options::max_idle).
  ConnectionPool(const boost::asio::any_io_executor& io, std::size_t max_connections,
                 std::chrono::milliseconds max_idle = kMaxIdle);
  ~ConnectionPool();
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  /// The one that was put last under `key` and still is usable; null: none. It has no deadline yet.
  std::unique_ptr<Connection> take(const std::string& key);
  /// Two exchanges may share a connection only if everything they ask of it is in the key. The oldest one of all goes
  /// when there are too many. Whether it is usable shows when it is taken: the server may close it at any time.
  void put(const std::string& key, std::unique_ptr<Connection> connection);
  /// As the constructor's; those that are too many go at once.
  void limit(std::size_t max_connections);
  std::size_t size() const { return idle_.size(); }
  /// Those that are remembered: at most twice `max_connections`.
  std::size_t keys() const { return by_key_.size(); }

 private:
  struct Idle;
  using Place = std::list<Idle>::iterator;
  using Places = std::unordered_map<std::string, std::vector<Place>>;
  struct Idle {
    Places::value_type* of_key;
    std::unique_ptr<Connection> connection;
    common::SteadyTime since;
  };

  Places::value_type& entry(const std::string& key);
  void drop_oldest();
  void sweep();
  void arm();

  std::size_t max_connections_;
  std::chrono::milliseconds max_idle_;
  std::list<Idle> idle_;  ///< the oldest first
  Places by_key_;         ///< the oldest of each key first; keys in use stay though none of theirs waits
  boost::asio::steady_timer timer_;
  bool armed_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace monitor::net
