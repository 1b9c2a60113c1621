#include "net/hosts_file.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <sys/stat.h>

namespace monitor::net {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

FileStamp FileStamp::of(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return {};
  return {static_cast<std::int64_t>(info.st_ino), info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
}

SharedAddresses HostsFile::find(const std::string& name) {
  if (path_.empty()) return nullptr;
  if (const auto now = FileStamp::of(path_); now != stamp_) {
    stamp_ = now;
    read();
  }
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : found->second;
}

void HostsFile::read() {
  names_.clear();
  std::ifstream file(path_);
  for (std::string line; std::getline(file, line);) take_line(std::string_view(line).substr(0, line.find('#')));
}

void HostsFile::take_line(std::string_view line) {
  std::istringstream words{std::string(line)};
  std::string word;
  words >> word;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(word, error);
  if (error) return;
  while (words >> word) {
    std::ranges::transform(word, word.begin(), lower);
    auto& addresses = names_[word];
    if (!addresses) addresses = std::make_shared<Addresses>();
    if (std::ranges::find(*addresses, address) != addresses->end()) continue;
    const auto first_v4 = std::ranges::find_if(*addresses, [](const auto& known) { return known.is_v4(); });
    addresses->insert(address.is_v6() ? first_v4 : addresses->end(), address);
  }
}

}  // namespace monitor::net
