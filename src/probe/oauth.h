// Access tokens for a client of one token endpoint (RFC 6749 §4.4), fetched when a check needs one. io thread only.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include <boost/asio/awaitable.hpp>

#include "async/event.h"
#include "net/tls_context.h"
#include "net/url.h"
#include "probe/exchange.h"
#include "probe/options.h"
#include "probe/token.h"

namespace monitor::probe {

/// Shared by all checks that name the same client, scope and way. However many wait, one fetches; when it is cut off,
/// or its own time is over, another one takes over.
class TokenSource {
 public:
  /// No token is asked for within this time of an attempt that failed.
  static constexpr std::chrono::seconds kPause{5};

  /// `tools` must outlive it. `tls` may be null for http. Throws common::UsageError for a URL that cannot be used.
  TokenSource(const Tools& tools, const Auth& auth, const Route& route, std::shared_ptr<const net::TlsContext> tls);

  /// A token that is still good, or the failure `auth_failure`, by `deadline` (real steady clock). Cancelled: throws
  /// `operation_aborted`.
  boost::asio::awaitable<std::variant<std::string, net::Failure>> get(common::SteadyTime deadline);
  /// The service did not accept `token`: the next check gets a new one.
  void drop(std::string_view token);

 private:
  struct Fetching;

  std::optional<std::variant<std::string, net::Failure>> known() const;
  boost::asio::awaitable<std::optional<net::Failure>> fetch(common::SteadyTime deadline);
  boost::asio::awaitable<bool> wait(common::SteadyTime deadline);
  net::Failure fail(std::string_view what);
  net::Failure failure(std::string_view what) const;

  const Tools& tools_;
  net::Url url_;
  net::SharedAddresses literal_;
  Route route_;
  std::shared_ptr<const net::TlsContext> tls_;
  std::string request_;

  std::optional<Token> token_;
  common::SteadyTime good_until_{};
  std::optional<net::Failure> failure_;  ///< of the last attempt
  common::SteadyTime pause_until_{};
  bool fetching_ = false;
  std::list<async::Event*> waiting_;
};

}  // namespace monitor::probe
