// A real local database, a real PostgreSQL, and an exporter between them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "async/clock.h"
#include "common/log.h"
#include "exporter/exporter.h"
#include "storage/store.h"
#include "support/io.h"
#include "support/postgres.h"
#include "support/temp_dir.h"

namespace monitor::exporter {

/// The wall clock plus what a test adds, so that rows fall where the server's clock wants them.
class ShiftedClock final : public async::Clock {
 public:
  common::WallTime wall() const override { return system_.wall() + shift_; }
  common::SteadyTime steady() const override { return system_.steady() - slept_; }
  common::SteadyTime boot() const override { return system_.boot(); }
  /// Somebody set the clock.
  void shift(common::Micros by) { shift_ += by; }
  /// The machine slept: the steady clock is behind by that much.
  void sleep(common::Micros time) { slept_ += time; }

 private:
  async::SystemClock system_;
  common::Micros shift_{};
  common::Micros slept_{};
};

class ExporterTest : public testing::Test {
 protected:
  ~ExporterTest() override {
    exporter_.reset();
    if (store_) close_store();
  }

  /// The server of the whole program, with an empty database of the test's own name. Tests that stop or break the
  /// server as a whole have one of their own.
  test::Postgres& server() {
    if (own_) return *own_;
    static auto shared = std::make_unique<test::Postgres>();
    if (std::exchange(fresh_, false)) {
      shared->start();
      shared->exec("DROP DATABASE IF EXISTS monitor WITH (FORCE)", "postgres");
      shared->exec("CREATE DATABASE monitor", "postgres");
    }
    return *shared;
  }
  void use_own_server() { own_ = std::make_unique<test::Postgres>(); }

  std::filesystem::path file() const { return folder_ / "local.sqlite3"; }
  void open_store() { store_ = storage::Store::open(io_.get_executor(), {file(), {}}, clock_); }
  void close_store() {
    test::run(io_, store_->close());
    store_.reset();
  }
  storage::Store& store() {
    if (!store_) open_store();
    return *store_;
  }

  Exporter& exporter() {
    if (!exporter_) {
      if (options_.uri.empty()) options_.uri = server().uri();
      exporter_ = Exporter::create(io_.get_executor(), options_, store(), clock_, limits_);
    }
    return *exporter_;
  }
  /// As a crash does: nothing that only memory knew is left.
  void restart_exporter() {
    exporter_.reset();
    exporter();
  }

  Progress step() { return test::run(io_, exporter().step()); }
  /// Steps until nothing is left, or an attempt fails.
  Progress drain() {
    for (int i = 0; i < 1000; ++i) {
      const auto progress = step();
      if (progress == Progress::kIdle || progress == Progress::kUnavailable) return progress;
    }
    return Progress::kMore;
  }
  /// Behind everything that is here.
  void new_epoch() { test::run(io_, store().new_epoch(test::run(io_, store().identity()).head)); }
  void commit() { test::run(io_, store().commit()); }

  storage::Definition definition(const std::string& name = "home") const {
    storage::Definition out;
    out.key = name;
    out.name = name;
    out.url = "https://example.org/" + name;
    out.method = "GET";
    out.interval = std::chrono::seconds{5};
    out.timeout = std::chrono::seconds{15};
    return out;
  }
  storage::DefinitionId define(const storage::Definition& definition) {
    return test::run(io_, store().define({definition})).at(0);
  }
  storage::Result result(storage::DefinitionId id, common::Micros ago = {}) const {
    using std::chrono::microseconds;
    storage::Result row;
    row.definition = id;
    row.requested_at = clock_.wall() - ago;
    row.status = 200;
    row.remote_address = "93.184.216.34";
    row.dns = microseconds{310};
    row.connect = microseconds{11'000};
    row.tls = microseconds{24'000};
    row.first_byte = microseconds{9'000};
    row.transfer = microseconds{700};
    row.total = microseconds{45'010};
    row.lateness = microseconds{120};
    row.body_bytes = 1256;
    return row;
  }
  void append(storage::Result row) { test::run(io_, store().append(std::move(row))); }
  /// `count` results, committed.
  void add_results(int count, const std::string& service = "home") {
    const auto id = define(definition(service));
    for (int i = 0; i < count; ++i) append(result(id));
    commit();
  }
  /// As if the last rows had arrived long enough ago for the roll-ups.
  void settle() { server().exec("UPDATE monitoring_touched SET at = at - interval '10 minutes'"); }
  std::string count_results() { return server().value("SELECT count(*) FROM monitoring_results"); }

  /// What `work` logged, at the level of warnings.
  template <typename Work>
  static std::string logged(Work work) {
    common::log::start(common::log::Level::kWarning);
    common::log::stop();  // from here on lines are written at once
    testing::internal::CaptureStderr();
    work();
    return testing::internal::GetCapturedStderr();
  }
  static int count(const std::string& text, const std::string& word) {
    int found = 0;
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
    return found;
  }

  test::TempDir folder_;
  boost::asio::io_context io_{1};
  ShiftedClock clock_;
  Options options_;
  Limits limits_;
  std::unique_ptr<test::Postgres> own_;
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<Exporter> exporter_;

 private:
  bool fresh_ = true;
};

}  // namespace monitor::exporter
