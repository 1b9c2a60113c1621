// A service made ready to be probed. Immutable, so any number of probes may share it.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "net/hosts_file.h"
#include "net/url.h"
#include "probe/options.h"
#include "probe/regex.h"

namespace monitor::probe {

class Check {
 public:
  /// Throws common::UsageError for a service that options.h refuses.
  Check(const Service& service, RegexPool& regexes);

  const net::Url& url() const { return url_; }
  /// The addresses when the URL holds one, else null.
  const net::SharedAddresses& literal() const { return literal_; }
  /// The request as it goes over the wire; holds secrets.
  const std::string& request() const { return request_; }
  /// Null unless the service asks for the regex to be checked.
  const std::shared_ptr<const Regex>& regex() const { return regex_; }
  /// Puts host and port back as they were typed where a `${NAME}` gave part of them: reasons are stored and logged.
  void conceal(std::string& sentence) const;
  bool is_head() const { return head_; }
  std::chrono::seconds timeout() const { return timeout_; }
  std::size_t body_limit() const { return body_limit_; }

 private:
  net::Url url_;
  std::string typed_;  ///< host and port as typed; empty where no `${NAME}` is in them
  net::SharedAddresses literal_;
  std::string request_;
  std::shared_ptr<const Regex> regex_;
  bool head_;
  std::chrono::seconds timeout_;
  std::size_t body_limit_;
};

}  // namespace monitor::probe
