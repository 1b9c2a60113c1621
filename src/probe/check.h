// A service made ready to be probed. Immutable, so any number of probes may share it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "net/hosts_file.h"
#include "net/tls_context.h"
#include "net/url.h"
#include "probe/expectations.h"
#include "probe/options.h"
#include "probe/plan.h"
#include "probe/redaction.h"

namespace monitor::probe {

class Check {
 public:
  /// Throws common::UsageError for a service that options.h refuses, and whatever Plans::get() throws.
  Check(const Service& service, Plans& plans, SharedExpectations expectations);

  const net::Url& url() const { return url_; }
  /// The addresses when the URL holds one, else null.
  const net::SharedAddresses& literal() const { return literal_; }
  /// Into a constant.
  std::string_view method() const { return method_; }
  const Plan& plan() const { return *plan_; }
  const Spec& spec() const { return plan_->spec(); }
  const SharedExpectations& expectations() const { return expectations_; }
  /// The value of an Authorization field; empty: none, or a token is still to be had.
  const std::string& authorization() const { return authorization_; }
  /// The first request as it goes over the wire, one part after the other; holds secrets. Without an Authorization
  /// where a token is still to be had.
  const std::string& head() const { return head_; }
  std::string_view body() const { return body_in_head_ ? std::string_view{} : spec().body.reveal(); }
  /// Under which the first request's connection waits for the next check.
  const std::string& pool_key() const { return pool_key_; }
  /// What no sentence and no evidence may show; may be null.
  const SharedSecrets& secrets() const { return secrets_; }
  /// The URL as typed, without user and password; only of a check that may have several hops, else empty.
  const std::string& typed_url() const { return typed_url_; }
  /// Puts host and port back as they were typed where a `${NAME}` gave part of them, and `***` for what any other one
  /// gave: reasons are stored and logged.
  void conceal(std::string& sentence) const;
  std::chrono::seconds timeout() const { return timeout_; }
  std::size_t body_limit() const { return body_limit_; }

 private:
  void write_head();
  void gather_secrets(const Service& service);

  net::Url url_;
  std::string_view method_;
  std::shared_ptr<const Plan> plan_;
  SharedExpectations expectations_;
  std::string typed_;  ///< host and port as typed; empty where no `${NAME}` is in them
  net::SharedAddresses literal_;
  std::string authorization_, head_, pool_key_, typed_url_;
  SharedSecrets secrets_;
  bool body_in_head_ = false;
  std::chrono::seconds timeout_;
  std::size_t body_limit_;
};

}  // namespace monitor::probe
