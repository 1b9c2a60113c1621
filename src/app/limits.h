// The process's own limits and dispositions, set once at start. Call before any thread is made.
#pragma once

#include <cstddef>

namespace monitor::app {

/// Raises the soft limit of open files to the hard one; returns what is then in force.
std::size_t raise_open_files();

/// The hard limit of open files, which raise_open_files() would put in force.
std::size_t open_files_at_most();

/// How many checks may run at once with `open_files`: one socket each, less what the rest of the process needs and the
/// connections of so many services that reuse theirs.
std::size_t checks_at_once(std::size_t reusing, std::size_t open_files);

/// How many connections may wait to be used again with `open_files`, for so many services that reuse theirs: one each,
/// and a quarter of the files at most.
std::size_t idle_connections(std::size_t reusing, std::size_t open_files);

/// SIGPIPE and SIGXFSZ become errors of the call that met them, instead of the end of the process.
void ignore_fatal_io_signals();

}  // namespace monitor::app
