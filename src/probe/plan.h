// What services that say the same share: how their connections are made, who they say they are, what they keep secret.
// io thread only.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include <boost/asio/any_io_executor.hpp>

#include "net/options.h"
#include "net/system.h"
#include "net/tls_context.h"
#include "probe/oauth.h"
#include "probe/options.h"
#include "probe/redaction.h"
#include "probe/route.h"

namespace monitor::probe {

class Plan {
 public:
  /// Null: the defaults.
  explicit Plan(std::shared_ptr<const Spec> spec) : spec_(std::move(spec)) {}

  const Spec& spec() const;

  Route route;
  /// Of https: for the origin that the service names, and for any other one, which gets to see nothing of ours. Null
  /// until ensure_tls().
  std::shared_ptr<const net::TlsContext> tls, tls_elsewhere;
  std::string authorization;            ///< value of an Authorization field; empty: none, or `tokens` gives it
  std::shared_ptr<TokenSource> tokens;  ///< null: no OAuth2
  SharedSecrets secrets;                ///< null: none
  std::string pool_suffix;              ///< what but the origin tells apart connections that may not be shared

 private:
  std::shared_ptr<const Spec> spec_;
};

/// Makes plans, one for each Spec that is in use.
class Plans {
 public:
  /// `tools` must outlive it.
  Plans(const Tools& tools, net::Options options, net::System system);
  ~Plans();
  Plans(const Plans&) = delete;
  Plans& operator=(const Plans&) = delete;

  /// For what is resolved from now on.
  void adjust(const net::Options& options);
  /// Throws common::UsageError for what options.h or TLS refuses, common::Error when the trusted certificates cannot be
  /// read. `secure`: the service's URL is https.
  std::shared_ptr<const Plan> get(const Service& service, bool secure);

 private:
  std::shared_ptr<Plan> make(const Service& service);
  void ensure_tls(Plan& plan, bool secure);
  net::Resolver& resolver(const std::string& name_server);
  std::shared_ptr<TokenSource> token_source(const Plan& plan);
  void forget_unused();

  const Tools& tools_;
  net::Options options_;
  net::System system_;
  net::TlsContexts tls_;
  std::map<std::string, std::unique_ptr<net::Resolver>> resolvers_;  ///< by name server; empty: the system's
  std::unordered_map<const Spec*, std::weak_ptr<Plan>> plans_;
  std::unordered_map<std::string, std::weak_ptr<TokenSource>> token_sources_;
  std::size_t tidy_at_ = 64;
};

}  // namespace monitor::probe
