#include "e2e/world.h"

#include <algorithm>
#include <stdexcept>

namespace monitor::test {

std::vector<std::vector<std::string>> World::local(const std::string& sql) const {
  sqlite3* database = nullptr;
  if (sqlite3_open_v2(this->database().c_str(), &database, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK) {
    sqlite3_close(database);
    throw std::runtime_error("cannot open " + this->database().string());
  }
  sqlite3_busy_timeout(database, 5000);
  std::vector<std::vector<std::string>> rows;
  char* message = nullptr;
  sqlite3_exec(
      database, sql.c_str(),
      [](void* into, int count, char** values, char**) {
        auto& row = static_cast<std::vector<std::vector<std::string>>*>(into)->emplace_back();
        for (int i = 0; i < count; ++i) row.emplace_back(values[i] == nullptr ? "NULL" : values[i]);
        return 0;
      },
      &rows, &message);
  const std::string failure = message == nullptr ? "" : message;
  sqlite3_free(message);
  sqlite3_close(database);
  if (!failure.empty()) throw std::runtime_error(sql + ": " + failure);
  return rows;
}

std::map<std::string, std::vector<std::int64_t>> due_moments(const World& world, std::int64_t interval_us) {
  std::map<std::string, std::vector<std::int64_t>> due;
  for (const auto& row : world.local("SELECT definition, requested_at - lateness_us FROM results")) {
    due[row[0]].push_back(std::stoll(row[1]));
  }
  for (const auto& row : world.local("SELECT definition, from_at, count FROM skipped")) {
    for (std::int64_t i = 0; i < std::stoll(row[2]); ++i) {
      due[row[0]].push_back(std::stoll(row[1]) + i * interval_us);
    }
  }
  for (auto& [definition, moments] : due) std::sort(moments.begin(), moments.end());
  return due;
}

}  // namespace monitor::test
