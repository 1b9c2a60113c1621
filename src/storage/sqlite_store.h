// The Store on SQLite: keeps on the io thread what waits, and sends each transaction to a thread of its own.
#pragma once

#include <memory>

#include <boost/asio/thread_pool.hpp>

#include "async/doing.h"
#include "async/event.h"
#include "storage/lock_file.h"
#include "storage/pending.h"
#include "storage/store.h"
#include "storage/trouble.h"
#include "storage/wait_list.h"
#include "storage/worker.h"

namespace monitor::storage {

class SqliteStore final : public Store {
 public:
  /// `file` has been prepared and `lock` is held.
  SqliteStore(boost::asio::any_io_executor io, const std::filesystem::path& file, std::unique_ptr<LockFile> lock,
              const Options& options, const async::Clock& clock);

  boost::asio::awaitable<std::vector<DefinitionId>> define(std::vector<Definition> definitions) override;
  boost::asio::awaitable<std::unordered_map<std::string, common::WallTime>> last_runs() override;
  boost::asio::awaitable<std::unordered_map<std::string, common::Verdict>> last_verdicts() override;
  boost::asio::awaitable<void> append(Result result) override;
  void append(Skipped skipped) override;
  void append(Gap gap) override;

  boost::asio::awaitable<void> run() override;
  boost::asio::awaitable<void> commit() override;
  void on_commit(std::function<void()> callback) override { on_commit_ = std::move(callback); }

  boost::asio::awaitable<Batch> next_batch(std::size_t max_rows) override;
  boost::asio::awaitable<Batch> batch_behind(Cursor through, std::size_t max_rows) override;
  void sending(Cursor through) override;
  bool mark_exported(Cursor through) override;
  boost::asio::awaitable<void> quarantine(std::vector<Quarantined> rows) override;
  boost::asio::awaitable<Identity> identity() override;
  boost::asio::awaitable<Identity> new_epoch(Cursor through) override;
  boost::asio::awaitable<Marks> marks(Cursor behind, Cursor through) override;
  boost::asio::awaitable<std::vector<EpochStand>> earlier_epochs() override;
  boost::asio::awaitable<void> agree() override;
  boost::asio::awaitable<void> rewind(Cursor arrived) override;
  std::int64_t backlog() const override;

  boost::asio::awaitable<Purged> purge(common::WallTime before, bool exported_only, std::size_t max_rows) override;
  boost::asio::awaitable<bool> forget(common::WallTime hours_before, common::WallTime days_before, bool exported_only,
                                      std::size_t max_rows) override;
  boost::asio::awaitable<Purged> purge_to_cap(std::size_t max_rows) override;
  std::optional<common::WallTime> newest() const override { return state_.newest; }
  boost::asio::awaitable<void> tidy() override;

  boost::asio::awaitable<Stats> stats() override;
  boost::asio::awaitable<Compacted> compact() override;
  boost::asio::awaitable<std::vector<QuarantinedRow>> quarantined(Seq after, std::size_t max_rows) override;
  boost::asio::awaitable<Quarantine::Released> retry_quarantined(std::vector<Seq> seqs) override;
  boost::asio::awaitable<std::int64_t> drop_quarantined(std::vector<Seq> seqs) override;

  Health health() const override;
  std::uint64_t size_bytes() const override { return state_.size; }
  std::uint64_t max_size_bytes() const override { return max_size_; }
  void limit_size(std::optional<std::uint64_t> bytes) override;

  boost::asio::awaitable<std::size_t> close() override;

 private:
  template <typename Call>
  boost::asio::awaitable<std::invoke_result_t<Call&, Worker&>> work(Call call);
  boost::asio::awaitable<void> commit_front();
  void record_downtime();
  void take_lost();
  void keep_lost();
  void succeeded(std::size_t results, bool stored);
  void failed(const std::string& problem);
  common::SteadyTime next_commit() const;
  void arrived(bool first);

  const async::Clock& clock_;
  std::uint64_t max_size_;
  const std::string name_;
  bool lost_kept_ = false;  // what was lost before is still in its file
  std::unique_ptr<LockFile> lock_;
  Worker worker_;  // touched on pool_'s thread alone once the constructor is done
  State state_;
  Cursor marked_;
  Cursor ours_;            // Identity::ours: as opened, and what was sent since, also where the cursor went back
  bool released_ = false;  // marked_ went back for rows of the quarantine, and nobody has asked for them yet
  std::uint64_t releases_ = 0;
  Pending pending_;
  Trouble trouble_;
  Turnstile committing_;
  WaitList room_;
  async::Event wake_;
  common::SteadyTime last_commit_;
  Health counters_;
  async::Doing doing_;
  std::uint64_t dropped_before_ = 0;  // when the trouble began
  std::function<void()> on_commit_;
  boost::asio::thread_pool pool_{1};  // the last member: it ends before what it works on
};

}  // namespace monitor::storage
