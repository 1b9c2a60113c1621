// One check: a chain of requests under one deadline, from the first one to the judgement. io thread only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <boost/asio/awaitable.hpp>

#include "probe/check.h"
#include "probe/exchange.h"
#include "probe/prober.h"
#include "probe/redirect.h"

namespace monitor::probe {

/// Bytes of all the response headers of one check together.
inline constexpr std::size_t kMaxChainHeaderBytes = std::size_t{256} << 10;

class Chain {
 public:
  /// All must outlive the chain. What is observed is written to `seen` as it happens.
  Chain(const Tools& tools, const Check& check, Keep keep, Observation& seen);

  /// Cancelled: throws `operation_aborted`.
  boost::asio::awaitable<void> run();

 private:
  using MaybeFailure = std::optional<net::Failure>;

  /// What a hop asks, where it is not what the check has ready.
  struct Request {
    const net::Url* url;
    std::string_view method;
    bool original = true;
    bool with_body = true;
    std::optional<net::Url> own_url{};  ///< what `url` points to after a redirect
    net::SharedAddresses literal{};
    std::string head{}, pool_key{};
  };

  boost::asio::awaitable<MaybeFailure> travel();
  boost::asio::awaitable<MaybeFailure> authorize();
  net::Failure blamed(net::Failure failure) const;
  boost::asio::awaitable<MaybeFailure> ask();
  void begin_exchange(bool take_idle);
  MaybeFailure turn();
  void write_hop(Redirect next);
  Errand errand(bool take_idle) const;
  ResponseReader::Wanted wanted() const;

  void take_down();
  void note_hop();
  void drop_refused_token();
  bool needs_inspection() const;
  boost::asio::awaitable<void> inspect_and_judge();
  boost::asio::awaitable<std::variant<Findings, Matcher::GivenUp>> inspect_response(Received what);
  void give_up(const Matcher::GivenUp& inspection);
  bool is_coded() const;
  Received received();
  void judge_response(const Findings* findings);
  SharedSecrets secrets() const;
  void conceal_secrets(std::string& text) const;
  bool wants_evidence() const;
  boost::asio::awaitable<void> keep_evidence();
  std::string excerpt() const;
  void fail(common::Outcome outcome, std::string reason);

  const Tools& tools_;
  const Check& check_;
  Keep keep_;
  Observation& seen_;
  common::SteadyTime began_;
  common::SteadyTime deadline_;  ///< on the real clock, for timers
  std::string authorization_;    ///< with a token; else the check's own goes
  std::string token_;
  Request request_;
  std::optional<Exchange> exchange_;
  std::optional<Errand> errand_;
  std::optional<Trail> trail_;
  std::size_t header_bytes_ = 0;
  bool noted_ = true;  ///< the last exchange is in seen_.hops, or there was none
  std::string excerpt_;
};

}  // namespace monitor::probe
