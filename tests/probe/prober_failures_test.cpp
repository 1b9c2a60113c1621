// What a probe makes of servers that do not answer, break off, or send anything.
#include <sys/resource.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "common/error.h"
#include "probe/prober_fixture.h"
#include "support/noise.h"

namespace monitor::probe {
namespace {

using common::Outcome;
using test::Peer;
using test::ScriptServer;

TEST_F(ProberTest, NothingListens) {
  const auto port = test::closed_port();
  const auto seen = probe("http://127.0.0.1:" + std::to_string(port) + "/");
  EXPECT_EQ(seen.outcome, Outcome::kConnectRefused);
  EXPECT_EQ(seen.reason, "nothing listens on 127.0.0.1:" + std::to_string(port) + " (connection refused)");
  EXPECT_FALSE(seen.status);
  EXPECT_EQ(seen.remote_address, "");
}

TEST_F(ProberTest, NoWayToTheAddress) {
  const auto seen = probe("http://[fe80::1]/");  // link-local, and no link is named
  EXPECT_EQ(seen.outcome, Outcome::kUnreachable) << seen.reason;
  EXPECT_NE(seen.reason.find("[fe80::1]:80"), std::string::npos) << seen.reason;
}

TEST_F(ProberTest, NoAnswerToTheConnectionAttempt) {
  const test::BlackHole hole;
  const auto seen = probe(hurried("http://127.0.0.1:" + std::to_string(hole.port()) + "/"));
  EXPECT_EQ(seen.outcome, Outcome::kConnectTimeout);
  EXPECT_EQ(seen.reason,
            "no answer to the connection attempt to 127.0.0.1:" + std::to_string(hole.port()) + " within 1.0 s");
}

TEST_F(ProberTest, NoFirstByte) {
  const ScriptServer server([](Peer& peer) { peer.hold(); });
  const auto seen = probe(hurried(server.url()));
  EXPECT_EQ(seen.outcome, Outcome::kFirstByteTimeout);
  EXPECT_EQ(seen.reason, "no response header from 127.0.0.1:" + std::to_string(server.port()) + " within 1.0 s");
  EXPECT_FALSE(seen.status);
}

TEST_F(ProberTest, AHeaderThatDoesNotEnd) {
  const ScriptServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-");
    peer.hold();
  });
  const auto seen = probe(hurried(server.url()));
  EXPECT_EQ(seen.outcome, Outcome::kFirstByteTimeout);
  EXPECT_FALSE(seen.status);
}

TEST_F(ProberTest, ABodyThatDoesNotEnd) {
  const ScriptServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    peer.hold();
  });
  const auto seen = probe(hurried(server.url()));
  EXPECT_EQ(seen.outcome, Outcome::kBodyTimeout);
  EXPECT_NE(seen.reason.find("5 of 10 bytes"), std::string::npos) << seen.reason;
  EXPECT_EQ(seen.status, 200);
  EXPECT_EQ(seen.body_bytes, 5);
}

TEST_F(ProberTest, ClosedBeforeAResponse) {
  const auto seen = meet([](Peer& peer) {
    peer.read_request();
    peer.close();
    peer.hold();
  });
  EXPECT_EQ(seen.outcome, Outcome::kConnectionClosed);
  EXPECT_NE(seen.reason.find("closed the connection before a response"), std::string::npos) << seen.reason;
  EXPECT_FALSE(seen.status);
}

TEST_F(ProberTest, ResetBeforeInsideTheHeaderAndInsideTheBody) {
  struct Case {
    std::string sent, says;
    bool has_status;
  };
  for (const auto& [sent, says, has_status] :
       std::vector<Case>{{"", "before a response", false},
                         {"HTTP/1.1 200 OK\r\nContent-", "inside the response header", false},
                         {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", "inside the response body", true}}) {
    const auto seen = meet([&](Peer& peer) {
      peer.read_request();
      peer.send(sent);
      peer.reset();
    });
    EXPECT_EQ(seen.outcome, Outcome::kConnectionReset) << seen.reason;
    EXPECT_NE(seen.reason.find(says), std::string::npos) << seen.reason;
    EXPECT_EQ(seen.status.has_value(), has_status);
  }
}

TEST_F(ProberTest, EndedTooEarly) {
  const auto header = meet(ScriptServer::reply("HTTP/1.1 200 OK\r\nContent-"));
  EXPECT_EQ(header.outcome, Outcome::kTruncated);
  EXPECT_FALSE(header.status);
  const auto body = meet(ScriptServer::reply("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"));
  EXPECT_EQ(body.outcome, Outcome::kTruncated);
  EXPECT_EQ(body.status, 200);
  EXPECT_EQ(body.body_bytes, 5);
}

TEST_F(ProberTest, WhatIsNotHttpIsMalformed) {
  for (const std::string garbage : {"SSH-2.0-OpenSSH_9.2\r\n", "\x15\x03\x01\x02\x02\x02\x46"}) {
    const auto seen = meet([&](Peer& peer) {
      peer.send(garbage);
      peer.hold();
    });
    EXPECT_EQ(seen.outcome, Outcome::kMalformedResponse) << seen.reason;
    EXPECT_FALSE(seen.status);
  }
}

TEST_F(ProberTest, NothingEndlessIsReadToItsEnd) {
  const auto endless = [](std::string start, std::string forever) {
    return [start, forever](Peer& peer) {
      peer.read_request();
      peer.send(start);
      while (peer.send(forever)) {
      }
    };
  };
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(meet(endless("", "HTTP/1.1 100 Continue\r\n\r\n")).outcome, Outcome::kHeaderLimit);
  EXPECT_EQ(meet(endless("HTTP/1.1 200 OK\r\n", "X-Field: value\r\n")).outcome, Outcome::kHeaderLimit);
  EXPECT_EQ(meet(endless("HTTP/1.1 200 OK\r\nX: ", "xxxxxxxxxxxxxxxx")).outcome, Outcome::kHeaderLimit);
  EXPECT_EQ(meet(endless("HTTP/1.1 200 ", "xxxxxxxxxxxxxxxx")).outcome, Outcome::kHeaderLimit);
  EXPECT_EQ(meet(endless(chunked + "5;", "xxxxxxxxxxxxxxxx")).outcome, Outcome::kHeaderLimit);
  EXPECT_EQ(meet(endless(chunked, "1;abcdefghijkl\r\nx\r\n")).outcome, Outcome::kHeaderLimit);
  EXPECT_EQ(meet(endless(chunked + "0\r\n", "X-Field: value\r\n")).outcome, Outcome::kHeaderLimit);
  EXPECT_EQ(meet(endless("\r\n", "\r\n")).outcome, Outcome::kMalformedResponse);
  const auto chunks = meet(endless(chunked, "1000\r\n" + std::string(4096, 'x') + "\r\n"));
  EXPECT_EQ(chunks.outcome, Outcome::kUp) << chunks.reason;
  EXPECT_TRUE(chunks.capped);
}

TEST_F(ProberTest, WithoutADescriptorTheFaultIsOurs) {
  const ScriptServer server(ScriptServer::reply(ok("")));
  const auto check = prober().prepare(service(server.url()));
  const auto named = prober().prepare(service("http://name.test/"));
  // What is opened once for all checks is open.
  EXPECT_EQ(test::run(io_, prober().probe(check)).outcome, Outcome::kUp);
  EXPECT_EQ(test::run(io_, prober().probe(named)).outcome, Outcome::kDnsNxdomain);
  const auto no_descriptor = common::errno_text(EMFILE);  // a sanitizer needs a descriptor for its first look at it
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const int next = ::dup(0);
  ::close(next);
  const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  const auto seen = test::run(io_, prober().probe(check));
  const auto unresolved = test::run(io_, prober().probe(named));
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(seen.outcome, Outcome::kLocalResource) << seen.reason;
  EXPECT_EQ(common::verdict_of(seen.outcome), common::Verdict::kUnknown);
  EXPECT_NE(seen.reason.find(no_descriptor), std::string::npos) << seen.reason;
  EXPECT_EQ(unresolved.outcome, Outcome::kLocalResource) << unresolved.reason;
  EXPECT_NE(unresolved.reason.find(no_descriptor), std::string::npos) << unresolved.reason;
  EXPECT_EQ(test::run(io_, prober().probe(check)).outcome, Outcome::kUp);
}

}  // namespace
}  // namespace monitor::probe
