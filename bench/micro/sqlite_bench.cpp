#include <filesystem>
#include <stdexcept>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>

#include "micro/sample.h"
#include "storage/store.h"

namespace monitor::bench {
namespace {

namespace asio = boost::asio;

/// A database in a folder of its own, gone with it.
class Local {
 public:
  Local() {
    std::string name = (std::filesystem::temp_directory_path() / "monitor-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed: " + name);
    folder_ = name;
    store_ = storage::Store::open(io_.get_executor(), {.path = folder_ / "local.sqlite3", .max_size = {}}, clock_);
    run(define());
  }
  ~Local() {
    run(close());
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  Local(const Local&) = delete;
  Local& operator=(const Local&) = delete;

  void commit(std::int64_t rows) { run(append_and_commit(rows)); }
  /// The first rows, as the export reads them. Gives how many.
  std::size_t read(std::size_t max_rows) {
    std::size_t count = 0;
    run(read_batch(max_rows, count));
    return count;
  }

 private:
  void run(asio::awaitable<void> task) {
    asio::co_spawn(io_, std::move(task), [](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
    });
    io_.restart();
    io_.run();
  }
  asio::awaitable<void> define() {
    std::vector<storage::Definition> definitions(500);
    for (std::size_t i = 0; i < definitions.size(); ++i) {
      definitions[i] = {.key = "s" + std::to_string(i),
                        .name = "s" + std::to_string(i),
                        .url = "http://127.0.0.1/",
                        .method = "GET",
                        .check_regex = false,
                        .regex = {},
                        .interval = std::chrono::seconds{5},
                        .timeout = std::chrono::seconds{5},
                        .settings = {}};
    }
    co_await store_->define(std::move(definitions));
  }
  asio::awaitable<void> append_and_commit(std::int64_t rows) {
    const auto now = clock_.wall();
    for (std::int64_t i = 0; i < rows; ++i) {
      storage::Result row;
      fill(row, i, now);
      co_await store_->append(std::move(row));
    }
    co_await store_->commit();
  }
  asio::awaitable<void> read_batch(std::size_t max_rows, std::size_t& count) {
    const auto batch = co_await store_->batch_behind({}, max_rows);
    count = batch.results.size();
  }
  asio::awaitable<void> close() { co_await store_->close(); }

  std::filesystem::path folder_;
  asio::io_context io_{1};
  async::SystemClock clock_;
  std::unique_ptr<storage::Store> store_;
};

/// So many rows appended and committed with one fsync; CPU of the io thread and the store's.
void sqlite_commit(benchmark::State& state) {
  Local local;
  for (auto _ : state) local.commit(state.range(0));
  count_items(state, static_cast<std::size_t>(state.range(0)));
}
BENCHMARK(sqlite_commit)->Arg(10)->Arg(1000)->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);

/// Stored rows become the batch that goes to PostgreSQL; CPU of the io thread and the store's.
void rows_from_sqlite(benchmark::State& state) {
  constexpr std::size_t kRows = 5000;
  Local local;
  local.commit(kRows);
  for (auto _ : state) {
    if (local.read(kRows) != kRows) return state.SkipWithError("rows are missing");
  }
  count_items(state, kRows);
}
BENCHMARK(rows_from_sqlite)->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace monitor::bench
