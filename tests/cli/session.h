// Runs command lines in this process, with a home folder of their own and captured streams.
#pragma once

#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "cli/cli.h"
#include "support/temp_dir.h"

namespace monitor::cli {

struct Ended {
  int status = -1;
  std::string out;
  std::string err;
};

class Session : public testing::Test {
 protected:
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs yet
  Session() { ::setenv("HOME", home_.path().c_str(), 1); }

  Ended run(const std::vector<std::string>& arguments, const std::string& input = {}) {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    Console console{in, out, err, [this](const config::Settings& settings, bool notify) {
                      started_ = settings;
                      notified_ = notify;
                      if (on_start_) on_start_();
                      return daemon_status_;
                    }};
    const int status = cli::run(arguments, console);
    return {status, out.str(), err.str()};
  }
  /// The same for a command that the test needs done.
  Ended must(const std::vector<std::string>& arguments, const std::string& input = {}) {
    Ended ended = run(arguments, input);
    EXPECT_EQ(ended.status, kDone) << ended.err;
    return ended;
  }

  std::filesystem::path file() const { return home_ / ".monitoring/monitoring-config"; }
  std::string bytes() const {
    std::ifstream in(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write_config(const std::string& text) {
    std::filesystem::create_directories(file().parent_path());
    std::ofstream(file(), std::ios::binary) << text;
    std::filesystem::permissions(file(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  /// The predecessor's tutorial up to its tables.
  void follow_tutorial() {
    must({"config", "create", "postgresql://test:1234567890@127.0.0.1:5432/test"});
    must({"config", "services", "add", "http://localhost:8000/", "GET"});
    must({"config", "services", "add", "http://localhost:8000/openapi.json", "GET", "--regex",
          R"(\{"openapi":"3\.1\.0")", "--check-regex"});
  }

  test::TempDir home_;
  std::optional<config::Settings> started_;
  bool notified_ = false;
  std::function<void()> on_start_;
  int daemon_status_ = 0;
};

}  // namespace monitor::cli
