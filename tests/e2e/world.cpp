#include "e2e/world.h"

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

}  // namespace monitor::test
