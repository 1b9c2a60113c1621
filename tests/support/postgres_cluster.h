// What a throwaway PostgreSQL server is made of: the server's programs, the user they run as, folders and clusters.
#pragma once

#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

namespace monitor::test::cluster {

struct Account {
  uid_t uid = 0;
  gid_t gid = 0;
};

/// Whom PostgreSQL runs as: ourselves, unless we are root.
Account account();
/// The folder of the highest version of the server's programs; empty when there is none.
std::filesystem::path programs();
/// Starts a program as `account()`, its output in `log`, and ended by the kernel when this thread's process ends.
pid_t spawn(const std::vector<std::string>& command, const std::filesystem::path& log,
            const std::filesystem::path& folder);
/// Its status, once it has ended.
int wait_for(pid_t pid);
std::string text_of(const std::filesystem::path& file);
/// A folder whose every parent lets PostgreSQL's user through, owned by that user.
std::filesystem::path make_folder();
void copy_tree(const std::filesystem::path& from, const std::filesystem::path& to);
/// Makes the cluster that every server of a test begins as. Its time zone and date style are odd on purpose: a client
/// that does not pin its own is seen at once.
void make_cluster(const std::filesystem::path& folder);
/// The data of the cluster to copy: the one that ctest made for all of its tests, or else one of this process's own.
const std::filesystem::path& template_data();
/// Free a moment ago, and below the ephemeral range, so that no outgoing connection takes it while the server is down.
int free_port();

}  // namespace monitor::test::cluster
