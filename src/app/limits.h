// The process's own limits and dispositions, set once at start. Call before any thread is made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace monitor::app {

/// Raises the soft limit of open files to the hard one; returns what is then in force.
std::size_t raise_open_files();

/// What is in memory, secrets too, is written into no core file, nor handed to a program that collects them
/// (core(5)). The hard limit stays, so that `prlimit --core=unlimited --pid` allows one where it is wanted.
void refuse_core_files();

/// The hard limit of open files, which raise_open_files() would put in force.
std::size_t open_files_at_most();

/// The size cap of the local database at `path` where none is configured, bytes.
std::uint64_t local_max_size(const std::filesystem::path& path);

/// SIGPIPE and SIGXFSZ become errors of the call that met them, instead of the end of the process.
void ignore_fatal_io_signals();

}  // namespace monitor::app
