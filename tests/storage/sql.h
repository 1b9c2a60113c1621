// Questions a test asks of a database file by itself, beside the store.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>

#include <sqlite3.h>

namespace monitor::test {

class Sql {
 public:
  explicit Sql(const std::filesystem::path& file) {
    if (sqlite3_open(file.c_str(), &connection_) != SQLITE_OK) throw std::runtime_error("cannot open " + file.string());
  }
  ~Sql() { sqlite3_close(connection_); }
  Sql(const Sql&) = delete;
  Sql& operator=(const Sql&) = delete;

  /// The values of every row, `|` between columns and `\n` between rows; NULL is empty.
  std::string operator()(const std::string& sql) {
    std::string out;
    char* error = nullptr;
    const auto add = [](void* to, int columns, char** values, char**) {
      auto& text = *static_cast<std::string*>(to);
      if (!text.empty()) text += '\n';
      for (int i = 0; i < columns; ++i) {
        if (i > 0) text += '|';
        if (values[i] != nullptr) text += values[i];
      }
      return 0;
    };
    if (sqlite3_exec(connection_, sql.c_str(), add, &out, &error) != SQLITE_OK) {
      const std::string why = error == nullptr ? "" : error;
      sqlite3_free(error);
      throw std::runtime_error(sql + ": " + why);
    }
    return out;
  }

 private:
  sqlite3* connection_ = nullptr;
};

}  // namespace monitor::test
