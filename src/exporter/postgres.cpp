#include "exporter/postgres.h"

#include <cstdlib>
#include <fcntl.h>
#include <libpq-fe.h>
#include <map>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>
#include <pqxx/pqxx>

namespace monitor::exporter {
namespace {

using Settings = std::map<std::string, std::string>;

/// What the URI sets, by libpq's own reading.
Settings read_uri(const std::string& uri) {
  char* error = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfoParse(uri.c_str(), &error),
                                                                             &PQconninfoFree);
  PQfreemem(error);  // it may quote the URI
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
  settings.emplace("tcp_user_timeout", std::to_string(limits.call.count()));
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

/// One line, without libpq's prefix and without any secret of the URI.
std::string cleaned(std::string_view text, const std::vector<std::string>& secrets) {
  std::string out;
  for (const char c : text) {
    if (c != '\n') {
      out += c;
    } else if (!out.empty() && out.back() != '\n') {
      out += "; ";
    }
  }
  while (out.ends_with(' ') || out.ends_with(';')) out.pop_back();
  for (const std::string_view prefix : {"ERROR:  ", "FATAL:  "}) {
    if (out.starts_with(prefix)) out.erase(0, prefix.size());
  }
  for (const auto& secret : secrets) {
    for (auto at = out.find(secret); at != std::string::npos; at = out.find(secret, at + 3)) {
      out.replace(at, secret.size(), "***");
    }
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

/// Our two exceptions for whatever libpqxx throws.
template <typename Work>
auto translated(const std::vector<std::string>& secrets, Work work) {
  try {
    return work();
  } catch (const pqxx::broken_connection& error) {
    // What libpqxx 6.4 trips over when it looks at the answer that did not come hides why it did not come.
    const auto text = cleaned(error.what(), secrets);
    if (text.find("client encoding") == std::string::npos)
      throw Unavailable("the connection to PostgreSQL broke: " + text);
    throw Unavailable("the connection to PostgreSQL was ended by the server, or by the network");
  } catch (const pqxx::in_doubt_error&) {
    throw Unavailable("the connection to PostgreSQL broke during a commit, which is sent again");
  } catch (const pqxx::serialization_failure& error) {
    throw Refused("40001", cleaned(error.what(), secrets));
  } catch (const pqxx::deadlock_detected& error) {
    throw Refused("40P01", cleaned(error.what(), secrets));
  } catch (const pqxx::transaction_rollback& error) {
    throw Refused("40000", cleaned(error.what(), secrets));
  } catch (const pqxx::sql_error& error) {
    if (error.sqlstate().empty()) {
      throw Unavailable("the connection to PostgreSQL broke: " + cleaned(error.what(), secrets));
    }
    throw Refused(error.sqlstate(), cleaned(error.what(), secrets));
  } catch (const std::exception& error) {
    throw Unavailable("the session with PostgreSQL failed: " + cleaned(error.what(), secrets));
  }
}

Rows rows_of(const pqxx::result& result) {
  Rows rows;
  rows.reserve(result.size());
  for (const auto& row : result) {
    auto& out = rows.emplace_back();
    out.reserve(row.size());
    for (const auto& field : row) {
      out.push_back(field.is_null() ? std::nullopt : std::optional<std::string>(field.c_str()));
    }
  }
  return rows;
}

class PqxxTransaction final : public Transaction {
 public:
  PqxxTransaction(pqxx::connection& connection, const std::vector<std::string>& secrets, const std::string& settings)
      : secrets_(secrets), work_(translated(secrets, [&] { return std::make_unique<pqxx::work>(connection); })) {
    run(settings);
  }
  Rows run(const std::string& sql) override {
    return translated(secrets_, [&] { return rows_of(work_->exec(sql)); });
  }
  Rows run(const std::string& sql, const std::vector<std::string>& parameters) override {
    return translated(secrets_,
                      [&] { return rows_of(work_->exec_params(sql, pqxx::prepare::make_dynamic_params(parameters))); });
  }
  void commit() override {
    translated(secrets_, [&] { work_->commit(); });
  }

 private:
  const std::vector<std::string>& secrets_;
  std::unique_ptr<pqxx::work> work_;
};

/// Where a copy is safe on several machines the operator may ask for more than `on`; never is it less.
std::string settings_sql(const Limits& limits) {
  return fmt::format(
      "SET LOCAL client_encoding = 'UTF8'; SET LOCAL standard_conforming_strings = on; SET LOCAL timezone = 'UTC';"
      "SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL client_min_messages = error; SET LOCAL lock_timeout = {};"
      "SET LOCAL statement_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = 60000;"
      "SELECT set_config('synchronous_commit', 'on', true) "
      "WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')",
      limits.lock.count(), limits.statement.count());
}

class PqxxSession final : public Session {
 public:
  PqxxSession(const Settings& settings, const Limits& limits, Breaker& breaker)
      : secrets_(secrets_of(settings)), settings_sql_(settings_sql(limits)), breaker_(breaker) {
    connect(connection_string(settings));
    breaker_.watch(connection_->sock());
  }
  ~PqxxSession() override {
    breaker_.watch(-1);
    quiet_.reset();
  }
  PqxxSession(const PqxxSession&) = delete;
  PqxxSession& operator=(const PqxxSession&) = delete;

  std::unique_ptr<Transaction> begin() override {
    return std::make_unique<PqxxTransaction>(*connection_, secrets_, settings_sql_);
  }
  std::string server_encoding() override { return begin()->run("SHOW server_encoding").at(0).at(0).value_or(""); }
  std::string where() override {
    return translated(secrets_, [&] {
      const char* host = connection_->hostname();
      return fmt::format("{}:{}/{}", host == nullptr ? "localhost" : host, connection_->port(), connection_->dbname());
    });
  }

 private:
  void connect(const std::string& settings) {
    try {
      connection_ = std::make_unique<pqxx::connection>(settings);
    } catch (const std::exception& error) {
      const auto text = cleaned(error.what(), secrets_);
      throw Unavailable("PostgreSQL cannot be reached: " + text + connect_advice(text));
    }
    // libpqxx 6.4 otherwise reconnects by itself when BEGIN meets a dead connection, and the breaker would then watch
    // the wrong socket.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
    connection_->inhibit_reactivation(true);
#pragma clang diagnostic pop
    connection_->set_verbosity(pqxx::connection_base::terse);  // a row's content has no place in a log line
    quiet_ = std::make_unique<pqxx::quiet_errorhandler>(*connection_);
  }

  std::vector<std::string> secrets_;
  std::string settings_sql_;
  Breaker& breaker_;
  std::unique_ptr<pqxx::connection> connection_;
  std::unique_ptr<pqxx::quiet_errorhandler> quiet_;
};

}  // namespace

Breaker::~Breaker() {
  watch(-1);
}

void Breaker::watch(int socket) {
  const std::lock_guard lock(mutex_);
  if (socket_ >= 0) ::close(socket_);
  socket_ = socket >= 0 ? ::fcntl(socket, F_DUPFD_CLOEXEC, 0) : -1;
  if (for_good_ && socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
}

void Breaker::trip() {
  const std::lock_guard lock(mutex_);
  if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
}

void Breaker::trip_for_good() {
  {
    const std::lock_guard lock(mutex_);
    for_good_ = true;
  }
  trip();
}

std::unique_ptr<Session> Session::open(const std::string& uri, const Limits& limits, Breaker& breaker) {
  Settings settings = read_uri(uri);
  add_defaults(settings, limits);
  return std::make_unique<PqxxSession>(settings, limits, breaker);
}

Link::Link(boost::asio::any_io_executor io, std::string uri, Limits limits)
    : io_(std::move(io)), uri_(std::move(uri)), limits_(limits) {}

Link::~Link() {
  close();
}

boost::asio::awaitable<void> Link::connect() {
  co_await async::offload(pool_, [this] {
    drop();
    session_ = Session::open(uri_, limits_, breaker_);
  });
}

boost::asio::awaitable<void> Link::disconnect() {
  co_await async::offload(pool_, [this] { drop(); });
}

void Link::drop() {
  breaker_.trip();  // nothing that destroying a session sends may block
  session_.reset();
}

void Link::close() {
  breaker_.trip_for_good();
  pool_.join();
}

}  // namespace monitor::exporter
