// The names of /etc/hosts, read again only when the file has changed. io thread only.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/asio/ip/address.hpp>

namespace monitor::net {

using Addresses = std::vector<boost::asio::ip::address>;
using SharedAddresses = std::shared_ptr<const Addresses>;

/// What tells one content of a file from the next without reading it.
struct FileStamp {
  std::int64_t inode = 0, size = -1, seconds = 0, nanoseconds = 0;  ///< size −1: there is no such file
  bool operator==(const FileStamp&) const = default;
  static FileStamp of(const std::string& path);
};

class HostsFile {
 public:
  /// An empty path: no file, no names.
  explicit HostsFile(std::string path) : path_(std::move(path)) {}

  /// The addresses of `name` (lower case) in the file's order, IPv6 first; null when it has none. A missing or
  /// unreadable file has no names; a line that is not `ADDRESS NAME…` is passed over, as everybody does.
  SharedAddresses find(const std::string& name);

 private:
  void read();
  void take_line(std::string_view line);

  std::string path_;
  FileStamp stamp_;
  std::unordered_map<std::string, std::shared_ptr<Addresses>> names_;
};

}  // namespace monitor::net
