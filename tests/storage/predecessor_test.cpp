#include <fstream>

#include <gtest/gtest.h>

#include "common/log.h"
#include "storage/sqlite.h"
#include "support/stored.h"

namespace monitor::storage {
namespace {

namespace log = common::log;

TEST(Predecessor, IsAnnouncedBeforeItsRowsAreTakenOver) {
  const test::TempDir folder;
  const auto file = folder / "local.sqlite3";
  std::ofstream(file).close();
  Database(file, Database::Mode::kReadWrite)
      .execute(
          "CREATE TABLE monitoring (id, url, method, request_timestamp, regex_check_required, contains_regex, "
          "contains_exception, status_code, response_timestamp, regex, exception, processed, created_at); "
          "INSERT INTO monitoring VALUES (1, 'http://a.example/', 'GET', '2024-04-22 12:35:30', 0, 0, 0, 200, "
          "'2024-04-22 12:35:31', NULL, NULL, 0, '2024-04-22 12:35:31'), (2, 'http://a.example/', 'GET', "
          "'2024-04-22 12:35:35', 0, 0, 0, 200, '2024-04-22 12:35:36', NULL, NULL, 1, '2024-04-22 12:35:36')");
  testing::internal::CaptureStderr();
  log::start(log::Level::kInfo);
  {
    const test::Stored opened(file);
  }
  log::stop();
  const auto lines = testing::internal::GetCapturedStderr();
  const auto announced = lines.find("Taking over 1 results from " + file.string() + ", which is kept as *.original");
  ASSERT_NE(announced, std::string::npos) << lines;
  EXPECT_LT(announced, lines.find("are taken over from"));
}

}  // namespace
}  // namespace monitor::storage
