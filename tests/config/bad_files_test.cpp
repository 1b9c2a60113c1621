// One file per rule in bad/, each with the faults it must be refused for beside it: `LINE:COLUMN a part of the
// sentence`.
#include <algorithm>
#include <cctype>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "config/config_files.h"
#include "config/document.h"
#include "config/settings.h"
#include "support/temp_dir.h"

namespace monitor::config {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> bad_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(MONITOR_SOURCE_DIR) / "tests/config/bad")) {
    if (entry.path().extension() != ".expected") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

class BadFile : public testing::TestWithParam<fs::path> {
 protected:
  void expect_faults(const std::string& message) {
    const auto expected = lines_of(test::text_of(GetParam().string() + ".expected"));
    ASSERT_FALSE(expected.empty());
    const auto faults = lines_of(message);
    ASSERT_EQ(faults.size(), expected.size()) << message;
    for (std::size_t i = 0; i < faults.size(); ++i) {
      const auto space = expected[i].find(' ');
      EXPECT_THAT(faults[i], testing::StartsWith(file_.string() + ":" + expected[i].substr(0, space) + ": "));
      EXPECT_THAT(faults[i], testing::HasSubstr(expected[i].substr(space + 1)));
      EXPECT_THAT(faults[i], testing::Not(testing::HasSubstr("hunter2")));
    }
  }

  /// A copy, so that the mode and the owner of the checkout do not matter.
  monitor::test::TempDir folder_;
  const fs::path file_ =
      test::write_file(folder_ / ("bad" + GetParam().extension().string()), test::text_of(GetParam()));
};

TEST_P(BadFile, IsRefusedByTheCommandsWithThePlaceOfEveryFault) {
  expect_faults(test::error_of([&] { read(file_); }));
}

TEST_P(BadFile, IsRefusedByTheApplicationWithThePlaceOfEveryFault) {
  expect_faults(test::error_of([&] { load(file_); }));
}

INSTANTIATE_TEST_SUITE_P(Each, BadFile, testing::ValuesIn(bad_files()), [](const auto& info) {
  std::string name = info.param.filename().string();
  std::replace_if(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});

TEST(BadFiles, AreMany) {
  EXPECT_GT(bad_files().size(), 120U);
}

}  // namespace
}  // namespace monitor::config
