// What a worker is at, for who watches it: kept cheaply, put into words only when asked. io thread only.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <string>

#include <fmt/format.h>

namespace monitor::async {

/// The oldest that has not ended is what is being done; the others wait behind it.
class Doing {
  struct Entry {
    const char* what;
    std::size_t rows;
    std::chrono::steady_clock::time_point since;
  };

 public:
  /// While it lives, `what` (a literal) is being done, to so many rows if that is more than none.
  class Mark {
   public:
    Mark(Doing& doing, const char* what, std::size_t rows = 0)
        : entries_(doing.entries_),
          entry_(entries_->insert(entries_->end(), Entry{what, rows, std::chrono::steady_clock::now()})) {}
    ~Mark() { entries_->erase(entry_); }
    Mark(const Mark&) = delete;
    Mark& operator=(const Mark&) = delete;

   private:
    std::shared_ptr<std::list<Entry>> entries_;  // a coroutine that is torn down last may outlive the worker
    std::list<Entry>::iterator entry_;
  };

  /// `commit of 512 rows for 12.0 s`; empty while nothing is done.
  std::string text() const {
    if (entries_->empty()) return {};
    const auto& oldest = entries_->front();
    const std::chrono::duration<double> so_far = std::chrono::steady_clock::now() - oldest.since;
    const auto rows = oldest.rows == 0 ? std::string() : fmt::format(" of {} rows", oldest.rows);
    return fmt::format("{}{} for {:.1f} s", oldest.what, rows, so_far.count());
  }

 private:
  std::shared_ptr<std::list<Entry>> entries_ = std::make_shared<std::list<Entry>>();
};

}  // namespace monitor::async
