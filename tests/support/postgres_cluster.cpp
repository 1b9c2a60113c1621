#include "support/postgres_cluster.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sstream>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/postgres.h"

namespace monitor::test::cluster {

namespace fs = std::filesystem;

Account account() {
  if (::geteuid() != 0) return {::geteuid(), ::getegid()};
  for (const char* name : {"postgres", "nobody"}) {
    passwd entry{};
    passwd* found = nullptr;
    std::array<char, 4096> buffer{};
    if (::getpwnam_r(name, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
      return {entry.pw_uid, entry.pw_gid};
    }
  }
  return {65534, 65534};
}

fs::path programs() {
  fs::path best;
  int best_version = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    const int version = std::atoi(entry.path().filename().c_str());
    if (version > best_version && fs::exists(entry.path() / "bin" / "postgres")) {
      best_version = version;
      best = entry.path() / "bin";
    }
  }
  return best;
}

pid_t spawn(const std::vector<std::string>& command, const fs::path& log, const fs::path& folder) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const Account who = account();
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child > 0) return child;
  // Only what is safe between fork and exec from here on.
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(null, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  ::close_range(3, ~0U, 0);
  if (::geteuid() == 0 && (::setgroups(0, nullptr) != 0 || ::setgid(who.gid) != 0 || ::setuid(who.uid) != 0)) {
    ::_exit(126);
  }
  // SIGQUIT is the postmaster's immediate shutdown: it takes its backends with it.
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
  if (::getppid() != parent || ::chdir(folder.c_str()) != 0) ::_exit(126);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

fs::path make_folder() {
  std::string name = (fs::temp_directory_path() / "monitor-pg-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed: " + name);
  const Account who = account();
  if (::chown(name.c_str(), who.uid, who.gid) != 0) throw std::runtime_error("chown failed: " + name);
  return name;
}

namespace {

void run_to_end(const std::vector<std::string>& command, const fs::path& log, const fs::path& folder) {
  if (wait_for(spawn(command, log, folder)) != 0) {
    throw std::runtime_error(command.front() + " failed: " + text_of(log));
  }
}

constexpr const char* kServerSettings = R"(
listen_addresses = '127.0.0.1'
fsync = off
full_page_writes = off
shared_buffers = 16MB
max_connections = 40
max_wal_size = 256MB
logging_collector = off
log_min_messages = warning
autovacuum = off
timezone = 'America/Caracas'
datestyle = 'German'
)";

}  // namespace

void copy_tree(const fs::path& from, const fs::path& to) {
  run_to_end({"/bin/cp", "-a", "--reflink=auto", from.string(), to.string()}, to.parent_path() / "copy.log",
             to.parent_path());
}

void make_cluster(const fs::path& folder) {
  const fs::path secret = folder / "secret";
  std::ofstream(secret) << Postgres::kPassword << '\n';
  fs::permissions(secret, fs::perms::all & ~(fs::perms::group_write | fs::perms::others_write));
  run_to_end({(programs() / "initdb").string(), "--pgdata=" + (folder / "data").string(), "--username=monitor",
              "--pwfile=" + secret.string(), "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"},
             folder / "log", folder);
  std::ofstream(folder / "data" / "postgresql.conf", std::ios::app) << kServerSettings;
}

namespace {

class Template {
 public:
  Template() {
    const char* shared = std::getenv("MONITOR_POSTGRES_TEMPLATE");  // NOLINT(concurrency-mt-unsafe): nobody changes it
    if (shared != nullptr && fs::exists(fs::path(shared) / "data")) {
      data_ = fs::path(shared) / "data";
      return;
    }
    own_ = make_folder();
    make_cluster(own_);
    data_ = own_ / "data";
  }
  ~Template() {
    std::error_code ignored;
    if (!own_.empty()) fs::remove_all(own_, ignored);
  }
  Template(const Template&) = delete;
  Template& operator=(const Template&) = delete;

  const fs::path& data() const { return data_; }

 private:
  fs::path own_;
  fs::path data_;
};

}  // namespace

const fs::path& template_data() {
  static const Template instance;
  return instance.data();
}

int free_port() {
  static int next = 20000 + static_cast<int>(::getpid()) % 10000;
  for (int tries = 0; tries < 10000; ++tries) {
    const int port = next;
    next = next >= 32000 ? 20000 : next + 1;
    const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool taken = ::bind(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0;
    ::close(probe);
    if (!taken) return port;
  }
  throw std::runtime_error("no free port between 20000 and 32000");
}

}  // namespace monitor::test::cluster
