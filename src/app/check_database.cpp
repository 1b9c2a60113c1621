#include "app/check_database.h"

#include "storage/reader.h"

namespace monitor::app {

std::vector<std::string> check_database(const std::filesystem::path& database) {
  constexpr std::size_t kMaxFindings = 100;
  return storage::Reader(database).check(kMaxFindings);
}

}  // namespace monitor::app
