// A store in a temporary folder with an io_context and a manual clock, and rows to put into it. Header only: it is for
// tests that link the storage library.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "storage/store.h"
#include "support/io.h"
#include "support/manual_clock.h"
#include "support/temp_dir.h"

namespace monitor::test {

inline storage::Definition definition_named(const std::string& name) {
  storage::Definition definition;
  definition.key = name;
  definition.name = name;
  definition.url = "https://" + name + ".example/";
  definition.method = "GET";
  definition.interval = std::chrono::seconds{5};
  definition.timeout = std::chrono::seconds{15};
  return definition;
}

inline storage::Result passed_check(storage::DefinitionId definition, common::WallTime at) {
  storage::Result result;
  result.definition = definition;
  result.requested_at = at;
  result.status = 200;
  result.remote_address = "192.0.2.10";
  result.dns = common::Micros{812};
  result.connect = common::Micros{10'417};
  result.tls = common::Micros{24'333};
  result.first_byte = common::Micros{31'902};
  result.transfer = common::Micros{411};
  result.total = common::Micros{67'875};
  result.lateness = common::Micros{183};
  result.body_bytes = 12'480;
  return result;
}

inline storage::Result failed_check(storage::DefinitionId definition, common::WallTime at, std::string reason) {
  storage::Result result;
  result.definition = definition;
  result.requested_at = at;
  result.outcome = common::Outcome::kConnectRefused;
  result.reason = std::move(reason);
  result.total = common::Micros{250};
  return result;
}

/// Owns one store; it may be closed, killed or replaced and opened again.
class Stored {
 public:
  explicit Stored(std::filesystem::path file = {}) : file_(file.empty() ? folder_ / "local.sqlite3" : std::move(file)) {
    open();
  }
  ~Stored() {
    if (store_) close();
  }
  Stored(const Stored&) = delete;
  Stored& operator=(const Stored&) = delete;

  void open() { open(storage::Options{.path = file_, .max_size = max_size_}); }
  void open(const storage::Options& options) {
    store_ = storage::Store::open(io_.get_executor(), options, clock_);
    service_ = wait(store_->define({definition_named("shop")})).front();
  }
  /// Gives how many results could not be stored.
  std::size_t close() {
    const std::size_t lost = wait(store_->close());
    store_.reset();
    return lost;
  }
  void cap(std::uint64_t bytes) { max_size_ = bytes; }

  template <typename Value>
  Value wait(boost::asio::awaitable<Value> task) {
    return run(io_, std::move(task));
  }
  /// Appends `count` passed checks, a microsecond apart, and commits them.
  void add(std::size_t count) {
    append(count);
    wait(store_->commit());
  }
  void append(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      clock_.advance(common::Micros{1});
      wait(store_->append(passed_check(service_, clock_.wall())));
    }
  }
  /// Marks everything that is committed as exported, and commits that.
  void export_all() {
    const auto head = wait(store_->identity()).head;
    store_->mark_exported(head);
    wait(store_->commit());
  }
  /// Behind everything that is here.
  storage::Identity new_epoch() { return wait(store_->new_epoch(wait(store_->identity()).head)); }
  std::vector<storage::Seq> next_seqs(std::size_t max_rows = 1'000'000) {
    std::vector<storage::Seq> seqs;
    for (const auto& result : wait(store_->next_batch(max_rows)).results) seqs.push_back(result.seq);
    return seqs;
  }

  storage::Store& store() { return *store_; }
  ManualClock& clock() { return clock_; }
  boost::asio::io_context& io() { return io_; }
  storage::DefinitionId service() const { return service_; }
  const std::filesystem::path& file() const { return file_; }
  const TempDir& folder() const { return folder_; }

 private:
  TempDir folder_;
  std::filesystem::path file_;
  ManualClock clock_;
  boost::asio::io_context io_{1};
  // The store's thread may let go of the last call's work only now: that must not stop the next call's loop.
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::optional<std::uint64_t> max_size_;
  std::unique_ptr<storage::Store> store_;
  storage::DefinitionId service_ = 0;
};

}  // namespace monitor::test
