#include "config/agreement.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "config/expand.h"
#include "config/reader.h"
#include "config/scalar.h"
#include "config/settings_text.h"

namespace monitor::config {
namespace {

class Agreement {
 public:
  Agreement(const WholeService& whole, Faults& faults) : whole_(whole), tree_(whole.tree), faults_(faults) {}

  void judge() {
    refuse_pairs();
    if (const auto url = known_url()) {
      refuse_two_credentials(*url);
      refuse_family(*url);
      if (url->starts_with("http://")) refuse_tls_rules();
    }
    refuse_body_rules();
  }

 private:
  using Index = Tree::Index;

  Index at(std::string_view key) const { return child_of(tree_, whole_.map, key); }
  Index at(std::string_view key, std::string_view below) const { return child_of(tree_, at(key), below); }

  void fault(Index value, std::string sentence) {
    faults_.add(tree_.position(value - 1), std::move(sentence), whole_.number);
  }

  /// A header of the request, whatever its case.
  Index header(std::string_view name) const {
    const auto headers = at("headers");
    if (headers == 0 || tree_.kind(headers) != Kind::kMap) return 0;
    const auto low = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    for (auto key = Tree::first(headers); key != tree_.after(headers); key = tree_.after(key + 1)) {
      if (std::ranges::equal(tree_.text(key), name, {}, low, low)) return key + 1;
    }
    return 0;
  }

  /// Nothing where the URL holds a `${NAME}` that is not to be judged now.
  std::optional<std::string> known_url() const {
    if (whole_.reading.values == Values::kExpanded) return whole_.service.target;
    const bool expands = whole_.reading.expands.value_or(format_of(tree_.source()) == Format::kYaml);
    if (!expands) return whole_.service.url;
    const auto expansion = expand(whole_.service.url, hidden_variable);
    if (!expansion.fault.empty() || !expansion.used.empty()) return std::nullopt;
    return expansion.text;
  }

  void refuse_pairs() {
    const auto refuse = [this](Index first, Index second, std::string_view sentence) {
      if (first != 0 && second != 0) fault(std::max(first, second), std::string(sentence));
    };
    refuse(at("body"), at("body_file"), "body and body_file are both given; keep one of them");
    refuse(at("auth"), header("authorization"), "auth and a header Authorization are both given; keep one of them");
    refuse(at("proxy"), at("connect_to"),
           "connect_to and proxy are both given, and a proxy chooses the connection; keep one of them");
    const auto compression = at("compression");
    if (compression != 0 && as_boolean(tree_.text(compression)) == true) {
      refuse(compression, header("accept-encoding"),
             "compression asks for what it can decode; remove the header Accept-Encoding, or compression");
    }
  }

  void refuse_two_credentials(const std::string& url) {
    if (probe::without_userinfo(url) == url) return;
    const auto given = at("auth") != 0 ? at("auth") : header("authorization");
    if (given == 0) return;
    fault(given, "the URL holds user:password@ as well; keep one way to say who we are");
  }

  void refuse_family(const std::string& url) {
    const auto family = at("family");
    if (family == 0) return;
    const auto typed = tree_.text(family);
    const auto asked = typed == "ipv4"   ? net::AddressFamily::kIpv4
                       : typed == "ipv6" ? net::AddressFamily::kIpv6
                                         : net::AddressFamily::kAny;
    // What is connected to: the proxy or `connect_to`, where one is given, instead of the URL's host.
    const auto other = at("connect_to") != 0 ? at("connect_to") : at("proxy");
    if (other != 0 && tree_.text(other).find("${") != std::string_view::npos) return;
    const auto place = other == 0             ? url
                       : other == at("proxy") ? std::string(tree_.text(other))
                                              : fmt::format("http://{}/", tree_.text(other));
    if (auto why = probe::refuse_family(place, asked)) fault(family, *why);
  }

  bool follows() const {
    const auto follow = at("redirects", "follow");
    return follow != 0 && as_boolean(tree_.text(follow)) == true;
  }

  void refuse_tls_rules() {
    if (follows()) return;
    const auto refuse = [this](Index value, std::string_view what) {
      if (value == 0) return;
      fault(value, fmt::format("the URL is http:// and redirects are not followed, so that this never applies; remove "
                               "{}, or write https://",
                               what));
    };
    // The token endpoint is asked with the same options.
    if (at("auth", "oauth2") == 0) refuse(at("tls"), "tls");
    refuse(at("expect", "cert_days"), "cert_days");
    refuse(at("expect", "tls_min"), "tls_min");
    refuse(child_of(tree_, at("expect", "max_phase"), "tls"), "tls");
  }

  void refuse_body_rules() {
    const auto& method = whole_.service.method;
    if (method == "HEAD") {
      for (const auto* key : {"body", "body_not", "json", "sha256"}) {
        if (const auto rule = at("expect", key); rule != 0) {
          fault(rule,
                fmt::format("the answer to HEAD has no body, so that {} cannot be judged; use GET, or remove it", key));
        }
      }
    }
    // RFC 9110 §9.3.8.
    if (method != "TRACE") return;
    for (const auto* key : {"body", "body_file"}) {
      if (const auto body = at(key); body != 0) fault(body, "a TRACE carries no body; remove it, or use POST");
    }
  }

  const WholeService& whole_;
  const Tree& tree_;
  Faults& faults_;
};

}  // namespace

void require_agreement(const WholeService& whole, Faults& faults) {
  Agreement(whole, faults).judge();
}

}  // namespace monitor::config
