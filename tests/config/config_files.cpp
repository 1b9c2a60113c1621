#include "config/config_files.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sys/stat.h>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "config/expand.h"

namespace monitor::config::test {

std::filesystem::path write_file(const std::filesystem::path& path, const std::string& text, mode_t mode) {
  std::ofstream(path, std::ios::binary) << text;
  EXPECT_EQ(::chmod(path.c_str(), mode), 0) << path;
  return path;
}

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

mode_t mode_of(const std::filesystem::path& path) {
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777U;
}

std::string listing(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return fmt::format("{}", fmt::join(names, " "));
}

namespace {

// NOLINTBEGIN(concurrency-mt-unsafe): these tests run on one thread
void set(const std::string& name, const char* value) {
  value == nullptr ? ::unsetenv(name.c_str()) : ::setenv(name.c_str(), value, 1);
}
// NOLINTEND(concurrency-mt-unsafe)

}  // namespace

ScopedVariable::ScopedVariable(std::string name, const char* value)
    : name_(std::move(name)), before_(environment_variable(name_)) {
  set(name_, value);
}

ScopedVariable::~ScopedVariable() {
  set(name_, before_ ? before_->c_str() : nullptr);
}

}  // namespace monitor::config::test
