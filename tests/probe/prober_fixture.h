// What the tests of whole probes share: an io_context, a clock of their own, a prober that sees no real name server.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "probe/prober.h"
#include "support/dns_stub.h"
#include "support/io.h"
#include "support/manual_clock.h"
#include "support/script_server.h"
#include "support/temp_dir.h"

namespace monitor::probe {

class ProberTest : public ::testing::Test {
 protected:
  ProberTest() {
    system_.name_servers = dns_.address();
    system_.resolv_conf = (dir_ / "resolv.conf").string();
    system_.hosts = (dir_ / "hosts").string();
  }

  Prober& prober() {
    if (!prober_) prober_ = Prober::create(io_.get_executor(), clock_, net::Options{}, system_);
    return *prober_;
  }

  static Service service(const std::string& url, const std::string& method = "GET") {
    Service out;
    out.url = out.target = url;
    out.method = method;
    out.timeout = std::chrono::seconds{10};  // never reached in a test that passes, unless it says so
    return out;
  }
  static Service searching(const std::string& url, const std::string& regex) {
    auto out = service(url);
    out.check_regex = true;
    out.regex = regex;
    return out;
  }
  static Service hurried(const std::string& url) {
    auto out = service(url);
    out.timeout = std::chrono::seconds{1};
    return out;
  }

  static Service specified(Service what, Spec spec) {
    what.extra = std::make_shared<const Spec>(std::move(spec));
    return what;
  }

  Observation probe(const Service& what, Keep keep = Keep::kNothing) {
    return test::run(io_, prober().probe(prober().prepare(what), keep));
  }
  Observation probe(const std::string& url) { return probe(service(url)); }

  /// What comes of a server that runs `script`.
  Observation meet(test::ScriptServer::Script script) {
    const test::ScriptServer server(std::move(script));
    return probe(server.url());
  }

  test::TempDir dir_;
  test::DnsStub dns_;
  net::System system_;
  test::ManualClock clock_;
  boost::asio::io_context io_{1};
  std::unique_ptr<Prober> prober_;
};

/// Answers every request as `answer` says, on one connection after the other for as long as the client likes, and
/// remembers the requests.
class Recorder {
 public:
  using Answer = std::function<std::string(const std::string& request)>;

  explicit Recorder(Answer answer, ssl_ctx_st* tls = nullptr)
      : answer_(std::move(answer)), server_([this](test::Peer& peer) { serve(peer); }, tls) {}

  std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  std::string url(const std::string& path = "/") const { return server_.url(path); }
  std::string host() const { return "127.0.0.1:" + std::to_string(server_.port()); }
  std::uint16_t port() const { return server_.port(); }
  int connections() const { return server_.connections(); }

 private:
  void serve(test::Peer& peer) {
    for (;;) {
      const auto request = peer.read_request();
      if (request.empty()) return;
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      if (!peer.send(answer_(request))) return;
    }
  }

  Answer answer_;
  std::mutex mutex_;
  std::vector<std::string> requests_;
  test::ScriptServer server_;
};

inline std::string ok(const std::string& body, const std::string& more = "") {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more + "\r\n" + body;
}

}  // namespace monitor::probe
