// What the tests of whole probes share: an io_context, a clock of their own, a prober that sees no real name server.
#pragma once

#include <filesystem>
#include <fstream>

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

  Observation probe(const Service& what) { return test::run(io_, prober().probe(prober().prepare(what))); }
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

inline std::string ok(const std::string& body, const std::string& more = "") {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more + "\r\n" + body;
}

}  // namespace monitor::probe
