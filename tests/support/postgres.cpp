#include "support/postgres.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <grp.h>
#include <memory>
#include <mutex>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <sstream>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>
#include <libpq-fe.h>

namespace monitor::test {
namespace {

namespace fs = std::filesystem;

struct Account {
  uid_t uid = 0;
  gid_t gid = 0;
};

/// Whom PostgreSQL runs as: ourselves, unless we are root.
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

/// The folder of the highest version of the server's programs; empty when there is none.
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

/// Starts a program as `account()`, its output in `log`, and ended by the kernel when this thread's process ends.
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

void run_to_end(const std::vector<std::string>& command, const fs::path& log, const fs::path& folder) {
  if (wait_for(spawn(command, log, folder)) != 0) {
    throw std::runtime_error(command.front() + " failed: " + text_of(log));
  }
}

/// A folder whose every parent lets PostgreSQL's user through, owned by that user.
fs::path make_folder() {
  std::string name = (fs::temp_directory_path() / "monitor-pg-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed: " + name);
  const Account who = account();
  if (::chown(name.c_str(), who.uid, who.gid) != 0) throw std::runtime_error("chown failed: " + name);
  return name;
}

void copy_tree(const fs::path& from, const fs::path& to) {
  run_to_end({"/bin/cp", "-a", "--reflink=auto", from.string(), to.string()}, to.parent_path() / "copy.log",
             to.parent_path());
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

/// Makes the cluster that every server of a test begins as. Its time zone and date style are odd on purpose: a client
/// that does not pin its own is seen at once.
void make_cluster(const fs::path& folder) {
  const fs::path secret = folder / "secret";
  std::ofstream(secret) << Postgres::kPassword << '\n';
  fs::permissions(secret, fs::perms::all & ~(fs::perms::group_write | fs::perms::others_write));
  run_to_end({(programs() / "initdb").string(), "--pgdata=" + (folder / "data").string(), "--username=monitor",
              "--pwfile=" + secret.string(), "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"},
             folder / "log", folder);
  std::ofstream(folder / "data" / "postgresql.conf", std::ios::app) << kServerSettings;
}

/// The one that ctest made for all of its tests, or else one of this process's own.
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

const Template& cluster_template() {
  static const Template instance;
  return instance;
}

/// Free a moment ago, and below the ephemeral range, so that no outgoing connection takes it while the server is down.
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

using Session = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Answer = std::unique_ptr<PGresult, decltype(&PQclear)>;

Session connect(const std::string& uri) {
  Session session(PQconnectdb(uri.c_str()), &PQfinish);
  if (PQstatus(session.get()) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(session.get()));
  return session;
}

Answer run_sql(PGconn* session, const std::string& sql) {
  Answer answer(PQexec(session, sql.c_str()), &PQclear);
  const auto status = PQresultStatus(answer.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    throw std::runtime_error(sql + ": " + PQerrorMessage(session));
  }
  return answer;
}

}  // namespace

void Postgres::make_template(const fs::path& where) {
  fs::remove_all(where);
  const auto made = make_folder();
  make_cluster(made);
  fs::rename(made, where);
}

bool Postgres::available() {
  return !programs().empty();
}

Postgres::Postgres() {
  if (!available()) throw std::runtime_error("no PostgreSQL server in /usr/lib/postgresql: install postgresql");
  folder_ = make_folder();
  copy_tree(cluster_template().data(), folder_ / "data");
  port_ = free_port();
  start();
  exec("CREATE DATABASE monitor", "postgres");
}

Postgres::Postgres(Copy copy) {
  folder_ = make_folder();
  copy_tree(copy.source.folder_ / "data", folder_ / "data");
  port_ = free_port();
  demote();
}

Postgres::~Postgres() {
  try {
    stop(Stop::kImmediate);
  } catch (const std::exception&) {
    // The kernel ends the server with this process.
  }
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void Postgres::start() {
  if (pid_ > 0) return;
  pid_ = spawn({(programs() / "postgres").string(), "-D", (folder_ / "data").string(), "-p", std::to_string(port_),
                "-k", folder_.string()},
               log(), folder_);
  wait_until_up();
}

void Postgres::wait_until_up() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  while (std::chrono::steady_clock::now() < end) {
    if (PQping(uri("postgres").c_str()) == PQPING_OK) return;
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      throw std::runtime_error("PostgreSQL ended at its start: " + text_of(log()));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  throw std::runtime_error("PostgreSQL did not come up: " + text_of(log()));
}

void Postgres::stop(Stop how) {
  if (pid_ <= 0) return;
  // A stopped backend would hold the shutdown up for ever.
  ::kill(pid_, how == Stop::kFast ? SIGINT : SIGQUIT);
  ::kill(pid_, SIGCONT);
  wait_for(pid_);
  pid_ = -1;
}

void Postgres::pause() const {
  ::kill(pid_, SIGSTOP);
}

void Postgres::resume() const {
  ::kill(pid_, SIGCONT);
}

void Postgres::kill_backends(const std::string& through) {
  query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
      "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
      through);
}

std::vector<pid_t> Postgres::backends(const std::string& application) {
  std::vector<pid_t> pids;
  for (const auto& row : query("SELECT pid FROM pg_stat_activity WHERE application_name = '" + application + "'")) {
    pids.push_back(static_cast<pid_t>(std::atoi(row.at(0).value().c_str())));
  }
  return pids;
}

void Postgres::backup() {
  stop();
  fs::remove_all(folder_ / "backup");
  copy_tree(folder_ / "data", folder_ / "backup");
  start();
}

void Postgres::restore() {
  stop();
  fs::remove_all(folder_ / "data");
  copy_tree(folder_ / "backup", folder_ / "data");
  start();
}

std::unique_ptr<Postgres> Postgres::standby() {
  stop();
  auto other = std::unique_ptr<Postgres>(new Postgres(Copy{*this}));
  start();
  return other;
}

void Postgres::promote() {
  query("SELECT pg_promote()");
}

void Postgres::demote() {
  stop();
  const auto signal = folder_ / "data" / "standby.signal";
  std::ofstream(signal).flush();
  const Account who = account();
  if (::chown(signal.c_str(), who.uid, who.gid) != 0) throw std::runtime_error("chown failed: " + signal.string());
  start();
}

void Postgres::crash_backend(pid_t backend) {
  const auto witness = connect(uri("postgres"));
  ::kill(backend, SIGKILL);
  pollfd ended{PQsocket(witness.get()), POLLIN, 0};
  while (PQconsumeInput(witness.get()) == 1) ::poll(&ended, 1, -1);
  wait_until_up();
}

void Postgres::allow_clients(bool allowed) {
  std::ofstream(folder_ / "data" / "pg_hba.conf")
      << "local all all scram-sha-256\nhost all all all " << (allowed ? "scram-sha-256" : "reject") << '\n';
  ::kill(pid_, SIGHUP);
  const auto taken = [this] { return PQstatus(Session(PQconnectdb(uri().c_str()), &PQfinish).get()) == CONNECTION_OK; };
  while (taken() != allowed) std::this_thread::sleep_for(std::chrono::milliseconds{10});
}

std::string Postgres::uri(const std::string& database) const {
  return uri_of("monitor", kPassword, database);
}

std::string Postgres::uri_of(const std::string& role, const std::string& password, const std::string& database) const {
  return fmt::format("postgresql://{}:{}@127.0.0.1:{}/{}", role, password, port_, database);
}

std::string Postgres::socket_uri(const std::string& database) const {
  return fmt::format("host='{}' port={} user=monitor password={} dbname={}", folder_.string(), port_, kPassword,
                     database);
}

void Postgres::exec(const std::string& sql, const std::string& database) {
  run_sql(connect(uri(database)).get(), sql);
}

std::vector<Postgres::Row> Postgres::query(const std::string& sql, const std::string& database) {
  const auto session = connect(uri(database));
  const auto answer = run_sql(session.get(), sql);
  std::vector<Row> rows(static_cast<std::size_t>(PQntuples(answer.get())));
  for (int i = 0; i < PQntuples(answer.get()); ++i) {
    for (int j = 0; j < PQnfields(answer.get()); ++j) {
      auto& row = rows[static_cast<std::size_t>(i)];
      row.push_back(PQgetisnull(answer.get(), i, j) != 0 ? std::nullopt
                                                         : std::optional<std::string>(PQgetvalue(answer.get(), i, j)));
    }
  }
  return rows;
}

PostgresSession::PostgresSession(const Postgres& server, const std::string& database)
    : session_(connect(server.uri(database)).release()) {}

PostgresSession::~PostgresSession() {
  PQfinish(static_cast<PGconn*>(session_));
}

void PostgresSession::exec(const std::string& sql) const {
  run_sql(static_cast<PGconn*>(session_), sql);
}

std::string Postgres::value(const std::string& sql, const std::string& database) {
  const auto rows = query(sql, database);
  if (rows.size() != 1 || rows.front().size() != 1) throw std::runtime_error("not one value: " + sql);
  return rows.front().front().value_or("");
}

}  // namespace monitor::test
