// What the store needs of the file system beside SQLite: private files, durable renames, who a file is. Any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace monitor::storage {

/// `path` with every symbolic link resolved, so that one database has one lock however it is named. Makes the folder
/// (0700) if it is missing. Throws common::Error.
std::filesystem::path prepare_path(const std::filesystem::path& path);

/// Creates an empty file of mode 0600, before SQLite can create it with another. Throws common::Error.
void create_private(const std::filesystem::path& file);

/// Renames and makes it durable: fsync of the file, then of its folder. Throws common::Error.
void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);

/// Removes `<database>-wal`, `-shm` and `-journal`. A file that stands beside a new database of the same name would be
/// replayed into it.
void remove_side_files(const std::filesystem::path& database);

/// Who this file is: host, inode and, where the file system knows it, its birth. A copy or a restored file is another.
std::string identity_of(const std::filesystem::path& file);

/// Which file a name leads to, as long as somebody keeps that one open.
struct Place {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool operator==(const Place&) const = default;
};
/// Nothing: there is no file of that name.
std::optional<Place> place_of(const std::filesystem::path& file);
Place place_of(int descriptor);

/// Bytes; 0 for a file that is not there.
std::uint64_t size_of(const std::filesystem::path& file);
/// Bytes of the whole disk that holds `path`, and of it those we may still use.
std::uint64_t disk_size(const std::filesystem::path& path);
std::uint64_t disk_free(const std::filesystem::path& path);

std::filesystem::path beside(const std::filesystem::path& database, const char* suffix);

}  // namespace monitor::storage
