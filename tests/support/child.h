// A real process started by a test, its output kept, ended with the test at the latest.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

namespace monitor::test {

class Child {
 public:
  struct Options {
    std::vector<std::string> command;                  ///< program and arguments
    std::map<std::string, std::string> environment{};  ///< added to, or replacing, the test's own
    std::string input{};                               ///< written to its standard input, which is then closed
    bool own_group = false;                            ///< a process group of its own
  };

  explicit Child(const Options& options);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  /// Waits until standard output or standard error holds `text`; false when `limit` or the process's end came first.
  bool wait_for(const std::string& text, std::chrono::seconds limit = std::chrono::seconds{20});
  /// Waits for the end: the exit status, 128 + N after signal N, or -1 when `limit` came first.
  int wait(std::chrono::seconds limit = std::chrono::seconds{30});
  std::string out();
  std::string err();

 private:
  void read(int descriptor, std::string& into);

  pid_t pid_ = -1;
  int status_ = -1;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string out_, err_;
  int open_pipes_ = 2;
  std::thread out_reader_, err_reader_;
};

}  // namespace monitor::test
