#include "storage/lost_file.h"

#include <fstream>
#include <sstream>
#include <string>

#include <fmt/format.h>

#include "common/error.h"
#include "storage/files.h"

namespace monitor::storage {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSuffix = ".lost";

}  // namespace

void write_lost(const fs::path& database, const std::vector<Lost>& lost) {
  const fs::path file = beside(database, kSuffix);
  const fs::path fresh = beside(file, ".new");
  std::error_code ignored;
  fs::remove(fresh, ignored);
  create_private(fresh);
  std::ofstream out(fresh);
  for (const auto& [gap, commit] : lost) {
    out << fmt::format("{} {} {} {} {}\n", static_cast<int>(gap.reason), gap.count, common::unix_micros(gap.from),
                       common::unix_micros(gap.to), commit);
  }
  out.close();
  if (!out) throw common::Error(fmt::format("cannot write {}; free space on that disk", fresh.string()));
  rename_durably(fresh, file);
}

std::vector<Lost> read_lost(const fs::path& database) {
  std::vector<Lost> lost;
  std::ifstream in(beside(database, kSuffix));
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    int reason = 0;
    std::int64_t count = 0;
    std::int64_t from = 0;
    std::int64_t to = 0;
    std::int64_t commit = 0;
    if (!(fields >> reason >> count >> from >> to >> commit) || count <= 0 || name_of(GapReason(reason)) == "unknown") {
      continue;
    }
    lost.push_back({.gap = {.reason = GapReason(reason),
                            .from = common::from_unix_micros(from),
                            .to = common::from_unix_micros(to),
                            .count = count},
                    .commit = commit});
  }
  return lost;
}

void remove_lost(const fs::path& database) {
  std::error_code ignored;
  fs::remove(beside(database, kSuffix), ignored);
}

}  // namespace monitor::storage
