#include "exporter/postgres.h"

#include <cstdlib>
#include <map>
#include <netinet/in.h>
#include <stdexcept>
#include <string_view>
#include <sys/socket.h>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "common/text.h"

namespace monitor::exporter {
namespace {

using Settings = std::map<std::string, std::string>;

/// libpq's words.
constexpr std::string_view kNoMemory = "out of memory\n";

/// What the URI sets, by libpq's own reading.
Settings read_uri(const std::string& uri) {
  char* error = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfoParse(uri.c_str(), &error),
                                                                             &PQconninfoFree);
  const bool no_memory = error == nullptr || std::string_view(error) == kNoMemory;
  PQfreemem(error);  // it may quote the URI
  if (!options && no_memory) throw Unavailable("there is no memory for a connection to PostgreSQL");
  if (!options) throw Unavailable("libpq cannot read external_database_uri; correct it in the configuration");
  Settings settings;
  for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) settings.emplace(option->keyword, option->val);
  }
  return settings;
}

std::string in_quotes(std::string_view value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out += '\'';
}

void add_defaults(Settings& settings, const Limits& limits) {
  // Zero would wait for ever, on a thread that nothing can interrupt.
  if (const auto found = settings.find("connect_timeout"); found != settings.end()) {
    if (std::strtol(found->second.c_str(), nullptr, 10) <= 0) settings.erase(found);
  }
  settings.emplace("connect_timeout", std::to_string(limits.connect.count()));
  settings.emplace("application_name", "monitor");
  settings.emplace("tcp_user_timeout", std::to_string(limits.silence.count()));
  settings.emplace("keepalives", "1");
  settings.emplace("keepalives_idle", "10");
  settings.emplace("keepalives_interval", "5");
  settings.emplace("keepalives_count", "3");
  const auto host = settings.find("host");
  if (host != settings.end() && host->second.find(',') != std::string::npos) {
    settings.emplace("target_session_attrs", "read-write");
  }
  settings["client_encoding"] = "UTF8";
}

std::string connection_string(const Settings& settings) {
  std::string out;
  for (const auto& [key, value] : settings) out += fmt::format("{}={} ", key, in_quotes(value));
  return out;
}

/// Without libpq's prefix too.
std::string cleaned(std::string_view text, const std::vector<std::string>& secrets) {
  auto out = common::one_line(text, secrets);
  for (const std::string_view prefix : {"ERROR:  ", "FATAL:  "}) {
    if (out.starts_with(prefix)) out.erase(0, prefix.size());
  }
  return out;
}

std::vector<std::string> secrets_of(const Settings& settings) {
  constexpr std::size_t kShortest = 3;  // masking every "a" would mask the sentence
  std::vector<std::string> secrets;
  for (const char* key : {"password", "sslpassword"}) {
    const auto found = settings.find(key);
    if (found != settings.end() && found->second.size() >= kShortest) secrets.push_back(found->second);
  }
  return secrets;
}

/// libpq gives no SQLSTATE for a failed connection, only the server's words.
std::string connect_advice(const std::string& text) {
  const auto says = [&](std::string_view words) { return text.find(words) != std::string::npos; };
  if (says("authentication failed") || says("no password supplied") || says("role \"")) {
    return "; check user and password in external_database_uri";
  }
  if (says("pg_hba.conf")) return "; allow this host in the server's pg_hba.conf";
  if (says("database \"") && says("does not exist")) {
    return "; create the database, or correct its name in external_database_uri";
  }
  if (says("could not translate host name")) return "; check the host in external_database_uri";
  if (says("Connection refused") || says("No such file")) return "; is the server running there?";
  return {};
}

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Answer = std::unique_ptr<PGresult, decltype(&PQclear)>;

std::string field_of(const PGresult* answer, int field) {
  const char* text = PQresultErrorField(answer, field);
  return text == nullptr ? "" : text;
}

/// libpq and not libpqxx: 6.4 leaks the answer of every statement that meets a broken connection, hides why it broke
/// behind "could not obtain client encoding", and would mend a session by itself with its settings gone.
Rows checked(PGconn* connection, Answer answer, const std::vector<std::string>& secrets) {
  const auto status = PQresultStatus(answer.get());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
    Rows rows(static_cast<std::size_t>(PQntuples(answer.get())));
    const int columns = PQnfields(answer.get());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const int row = static_cast<int>(i);
      rows[i].reserve(static_cast<std::size_t>(columns));
      for (int j = 0; j < columns; ++j) {
        const bool null = PQgetisnull(answer.get(), row, j) != 0;
        rows[i].push_back(null ? std::nullopt : std::optional<std::string>(PQgetvalue(answer.get(), row, j)));
      }
    }
    return rows;
  }
  const auto sqlstate = field_of(answer.get(), PG_DIAG_SQLSTATE);
  if (sqlstate.empty() || PQstatus(connection) != CONNECTION_OK) {
    throw Unavailable("the connection to PostgreSQL broke: " + cleaned(PQerrorMessage(connection), secrets));
  }
  // The primary message alone: the detail quotes the row, which has no place in a log line.
  throw Refused(sqlstate, cleaned(field_of(answer.get(), PG_DIAG_MESSAGE_PRIMARY), secrets));
}

class PqTransaction final : public Transaction {
 public:
  PqTransaction(PGconn* connection, const std::vector<std::string>& secrets, const std::string& settings)
      : PqTransaction(connection, secrets) {
    run("BEGIN ISOLATION LEVEL READ COMMITTED; " +
        settings);  // refused in its middle it leaves a transaction open, which the destructor ends
  }
  ~PqTransaction() override {
    if (!committed_) PQclear(PQexec(connection_, "ROLLBACK"));
  }
  PqTransaction(const PqTransaction&) = delete;
  PqTransaction& operator=(const PqTransaction&) = delete;

  Rows run(const std::string& sql) override {
    return checked(connection_, Answer(PQexec(connection_, sql.c_str()), &PQclear), secrets_);
  }
  Rows run(const std::string& sql, const std::vector<std::string>& parameters) override {
    std::vector<const char*> values;
    values.reserve(parameters.size());
    for (const auto& parameter : parameters) values.push_back(parameter.c_str());
    return checked(connection_,
                   Answer(PQexecParams(connection_, sql.c_str(), static_cast<int>(values.size()), nullptr,
                                       values.data(), nullptr, nullptr, 0),
                          &PQclear),
                   secrets_);
  }
  void copy(const std::string& sql, const std::function<void(std::string&)>& next) override {
    Answer begun(PQexec(connection_, sql.c_str()), &PQclear);
    if (PQresultStatus(begun.get()) != PGRES_COPY_IN) {
      checked(connection_, std::move(begun), secrets_);
      throw std::logic_error("not a COPY FROM STDIN: " + sql);
    }
    std::string piece;
    for (next(piece); !piece.empty(); next(piece)) {
      // What goes wrong meanwhile, the answer says.
      if (PQputCopyData(connection_, piece.data(), static_cast<int>(piece.size())) != 1) break;
      piece.clear();
    }
    if (PQputCopyEnd(connection_, nullptr) != 1) {
      throw Unavailable("the connection to PostgreSQL broke: " + cleaned(PQerrorMessage(connection_), secrets_));
    }
    Answer answer(PQgetResult(connection_), &PQclear);
    while (const Answer rest{PQgetResult(connection_), &PQclear}) continue;
    checked(connection_, std::move(answer), secrets_);
  }
  void commit() override {
    Answer answer(PQexec(connection_, "COMMIT"), &PQclear);
    const char* const tag = PQcmdStatus(answer.get());  // null: there was no memory for an answer
    const bool committed = tag != nullptr && std::string_view(tag) == "COMMIT";
    checked(connection_, std::move(answer), secrets_);
    committed_ = true;
    if (!committed) throw Unavailable("PostgreSQL rolled the transaction back instead of committing it");
  }

 private:
  PqTransaction(PGconn* connection, const std::vector<std::string>& secrets)
      : connection_(connection), secrets_(secrets) {}

  PGconn* connection_;
  const std::vector<std::string>& secrets_;
  bool committed_ = false;
};

/// Where a copy is safe on several machines the operator may ask for more than `on`; never is it less.
std::string settings_sql(const Limits& limits) {
  return fmt::format(
      "SET LOCAL client_encoding = 'UTF8'; SET LOCAL standard_conforming_strings = on; SET LOCAL timezone = 'UTC';"
      "SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL array_nulls = on; SET LOCAL client_min_messages = error; SET LOCAL "
      "lock_timeout = {};"
      "SET LOCAL statement_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = 60000;"
      "SELECT set_config('synchronous_commit', 'on', true) "
      "WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')",
      limits.lock.count(), limits.statement.count());
}

/// A UNIX socket, or an address of the loopback network.
bool stays_on_this_machine(int socket) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return false;
  if (peer.ss_family == AF_INET) {
    constexpr std::uint32_t kLoopbackNetwork = 127;
    const auto address = ntohl(reinterpret_cast<const sockaddr_in&>(peer).sin_addr.s_addr);
    return address >> 24U == kLoopbackNetwork;
  }
  if (peer.ss_family == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr);
  return peer.ss_family == AF_UNIX;
}

/// As the URI, the environment or a service file says it.
std::string sslmode_of(PGconn* connection) {
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfo(connection), &PQconninfoFree);
  for (const auto* option = options.get(); option != nullptr && option->keyword != nullptr; ++option) {
    if (std::string_view(option->keyword) == "sslmode" && option->val != nullptr) return option->val;
  }
  return {};
}

class PqSession final : public Session {
 public:
  PqSession(const Settings& settings, const Limits& limits, Breaker& breaker)
      : secrets_(secrets_of(settings)),
        settings_sql_(settings_sql(limits)),
        breaker_(breaker),
        connection_(PQconnectdb(connection_string(settings).c_str()), &PQfinish) {
    if (!connection_) throw Unavailable("there is no memory for a connection to PostgreSQL");
    if (PQstatus(connection_.get()) != CONNECTION_OK) {
      const auto text = cleaned(PQerrorMessage(connection_.get()), secrets_);
      throw Unavailable("PostgreSQL cannot be reached: " + text + connect_advice(text));
    }
    PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);  // it would write to stderr
    breaker_.watch(PQsocket(connection_.get()));
  }
  ~PqSession() override { breaker_.forget(); }
  PqSession(const PqSession&) = delete;
  PqSession& operator=(const PqSession&) = delete;

  std::unique_ptr<Transaction> begin() override {
    return std::make_unique<PqTransaction>(connection_.get(), secrets_, settings_sql_);
  }
  void run_alone(const std::string& sql) override {
    checked(connection_.get(), Answer(PQexec(connection_.get(), sql.c_str()), &PQclear), secrets_);
  }
  std::string server_encoding() override {
    const char* encoding = PQparameterStatus(connection_.get(), "server_encoding");
    return encoding == nullptr ? "" : encoding;
  }
  std::string where() override {
    return fmt::format("{}:{}/{}", PQhost(connection_.get()), PQport(connection_.get()), PQdb(connection_.get()));
  }
  std::string exposure() override {
    const bool encrypted = PQsslInUse(connection_.get()) != 0 || PQgssEncInUse(connection_.get()) != 0;
    return exposure_of(sslmode_of(connection_.get()), encrypted, stays_on_this_machine(PQsocket(connection_.get())));
  }

 private:
  std::vector<std::string> secrets_;
  std::string settings_sql_;
  Breaker& breaker_;
  Connection connection_;
};

}  // namespace

std::string exposure_of(std::string_view sslmode, bool encrypted, bool local) {
  if (local || (encrypted && sslmode == "verify-full")) return {};
  if (!encrypted) return fmt::format("is not encrypted (sslmode={})", sslmode);
  const auto* unchecked = sslmode == "verify-ca" ? "its name" : "its certificate";
  return fmt::format("is encrypted, but the server's identity is not checked: {} could be anyone's (sslmode={})",
                     unchecked, sslmode);
}

std::unique_ptr<Session> Session::open(const std::string& uri, const Limits& limits, Breaker& breaker) {
  Settings settings = read_uri(uri);
  add_defaults(settings, limits);
  return std::make_unique<PqSession>(settings, limits, breaker);
}

}  // namespace monitor::exporter
