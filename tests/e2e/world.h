// What an end-to-end test starts: a home folder, the example application, and the real binary.
#pragma once

#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "support/child.h"
#include "support/temp_dir.h"

namespace monitor::test {

/// The example application on a free port.
class Example {
 public:
  Example() : child_({.command = {MONITOR_EXAMPLE}}) {
    const std::string sign = "listening on ";
    if (!child_.wait_for("\n")) throw std::runtime_error("the example application did not start: " + child_.err());
    const auto out = child_.out();
    url_ = out.substr(out.find(sign) + sign.size());
    url_ = url_.substr(0, url_.find_first_of("/ \n", 8));
  }
  /// `http://127.0.0.1:PORT`
  const std::string& url() const { return url_; }

 private:
  Child child_;
  std::string url_;
};

struct Ended {
  int status;
  std::string out, err;
};

class World {
 public:
  World() { environment_["HOME"] = home_.path().string(); }

  /// Runs a command to its end, with `input` as what the user types.
  Ended monitor(std::vector<std::string> arguments, const std::string& input = "") {
    Child child({.command = command(std::move(arguments)), .environment = environment_, .input = input});
    const int status = child.wait();
    return {status, child.out(), child.err()};
  }
  /// Starts a command that goes on.
  std::unique_ptr<Child> start(std::vector<std::string> arguments = {"start", "-vvvv", "--yes"}) {
    return std::make_unique<Child>(
        Child::Options{.command = command(std::move(arguments)), .environment = environment_});
  }

  void set(const std::string& name, const std::string& value) { environment_[name] = value; }
  std::filesystem::path folder() const { return home_ / ".monitoring"; }
  std::filesystem::path config() const { return folder() / "monitoring-config"; }
  std::filesystem::path database() const { return folder() / "local-database.sqlite3"; }
  const std::filesystem::path& home() const { return home_.path(); }

  void write_config(const std::string& text) const {
    std::filesystem::create_directories(folder());
    std::filesystem::permissions(folder(), std::filesystem::perms::owner_all);
    std::ofstream(config()) << text;
    std::filesystem::permissions(config(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  std::string read_config() const {
    std::ostringstream text;
    text << std::ifstream(config()).rdbuf();
    return text.str();
  }

  /// Rows of the local database, as another process may read it at any time; nulls as "NULL".
  std::vector<std::vector<std::string>> local(const std::string& sql) const;
  std::int64_t local_number(const std::string& sql) const { return std::stoll(local(sql).at(0).at(0)); }

 private:
  static std::vector<std::string> command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), MONITOR_BINARY);
    return arguments;
  }
  TempDir home_;
  std::map<std::string, std::string> environment_;
};

/// The moments at which slots of each service were due, as results and skipped ranges tell.
std::map<std::string, std::vector<std::int64_t>> due_moments(const World& world, std::int64_t interval_us);

/// Looks until `condition` holds or `limit` has passed; says which.
template <typename Condition>
bool eventually(Condition condition, std::chrono::seconds limit = std::chrono::seconds{30}) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{20});  // between two looks at another process
  }
  return true;
}

}  // namespace monitor::test
