#include "support/postgres.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <poll.h>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "support/postgres_cluster.h"

namespace monitor::test {
namespace {

using cluster::account;
using cluster::Account;
using cluster::copy_tree;
using cluster::free_port;
using cluster::make_cluster;
using cluster::make_folder;
using cluster::programs;
using cluster::spawn;
using cluster::template_data;
using cluster::text_of;
using cluster::wait_for;
namespace fs = std::filesystem;

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
  copy_tree(template_data(), folder_ / "data");
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
