// A throwaway PostgreSQL server for one test: its own cluster, its own port, gone with the test even when it fails. For
// the test's thread only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace monitor::test {

/// The server is a child that the kernel ends with the test process. Run as root it becomes the user `postgres`, or
/// `nobody` where there is none, because PostgreSQL refuses root. The superuser is `monitor` with the password
/// `kPassword`; the database is `monitor`. It listens on 127.0.0.1 and on a socket in its folder.
class Postgres {
 public:
  static constexpr const char* kPassword = "s3cret-canary";
  enum class Stop { kFast, kImmediate };
  using Row = std::vector<std::optional<std::string>>;

  /// Makes the cluster (a copy of one that is made once per process) and starts it. Throws std::runtime_error with the
  /// server's log when it does not come up within 30 s.
  Postgres();
  ~Postgres();
  Postgres(const Postgres&) = delete;
  Postgres& operator=(const Postgres&) = delete;

  /// Makes the cluster that servers are copied from, so that a whole run of ctest makes it once; `where` is replaced.
  static void make_template(const std::filesystem::path& where);

  /// Whether this machine has the server's programs.
  static bool available();

  /// On the same port as before. Does nothing when it runs.
  void start();
  /// Returns when it has ended. Immediate is a crash: the next start replays the log.
  void stop(Stop how = Stop::kFast);
  /// Stops the server's own process (SIGSTOP), so that connections are accepted by the kernel alone; and lets it go on.
  void pause() const;
  void resume() const;
  /// Ends every other client's session (pg_terminate_backend).
  void kill_backends(const std::string& through = "monitor");
  /// Pids of the backends that serve clients calling themselves `application`.
  std::vector<pid_t> backends(const std::string& application = "monitor");
  /// Copies the cluster aside, and puts the copy back: what a restored backup does. Both stop the server and start it
  /// again.
  void backup();
  void restore();
  /// Another server that begins as a copy of this one, in recovery: read-only, and without what this one gets from now
  /// on, until it is promoted. Stops this one meanwhile.
  std::unique_ptr<Postgres> standby();
  void promote();
  /// Makes this one a standby that waits for what never comes: read-only for ever. Stops it and starts it again.
  void demote();
  /// Kills one backend (SIGKILL), for which the server ends all others and begins again; returns when it is up.
  void crash_backend(pid_t backend);
  /// Replaces what the server's pg_hba.conf allows to clients that use the network.
  void allow_clients(bool allowed);

  std::string uri(const std::string& database = "monitor") const;
  /// As another role, with its password.
  std::string uri_of(const std::string& role, const std::string& password,
                     const std::string& database = "monitor") const;
  /// The same through the socket in its folder.
  std::string socket_uri(const std::string& database = "monitor") const;
  int port() const { return port_; }
  pid_t pid() const { return pid_; }
  std::filesystem::path log() const { return folder_ / "log"; }

  /// Runs statements, or one query, as the superuser. Throws std::runtime_error with the server's sentence.
  void exec(const std::string& sql, const std::string& database = "monitor");
  std::vector<Row> query(const std::string& sql, const std::string& database = "monitor");
  /// The only value of a query that has one; empty for null.
  std::string value(const std::string& sql, const std::string& database = "monitor");

 private:
  /// Of a copy of `source`'s data.
  struct Copy {
    const Postgres& source;
  };
  explicit Postgres(Copy copy);
  void wait_until_up();

  std::filesystem::path folder_;
  int port_ = 0;
  pid_t pid_ = -1;
};

/// A session that stays open, for what only that can show: a lock, a reader that never ends.
class PostgresSession {
 public:
  explicit PostgresSession(const Postgres& server, const std::string& database = "monitor");
  ~PostgresSession();
  PostgresSession(const PostgresSession&) = delete;
  PostgresSession& operator=(const PostgresSession&) = delete;
  void exec(const std::string& sql) const;

 private:
  void* session_;
};

}  // namespace monitor::test
