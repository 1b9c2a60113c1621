// What a service puts into its request: headers, body, and how we say who we are.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "common/text.h"
#include "config/spec_fields.h"

namespace monitor::config {
namespace {

constexpr std::size_t kMaxHeaders = 64;
constexpr std::size_t kMaxInlineBody = std::size_t{64} << 10;
constexpr std::size_t kMaxBodyFile = std::size_t{1} << 20;

std::string lowered(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

class HeadersReader : private SpecFields {
 public:
  explicit HeadersReader(Draft& draft) : SpecFields(draft) {}

  void read(Index map) {
    if (tree().kind(map) != Kind::kMap) return no_mapping(map, "a mapping such as `X-Token: text`");
    for (Index key = Tree::first(map); key != tree().after(map); key = tree().after(key + 1)) read_header(key);
  }

 private:
  static const std::array<Key<HeadersReader>, 1> kFileKeys;

  void read_header(Index key) {
    name_ = std::string(tree().text(key));
    if (auto why = probe::refuse_header(name_, "")) return fault(key, *why);
    if (std::ranges::find(names_, lowered(name_)) != names_.end()) {
      return fault(key, fmt::format("the header {} is repeated, and case makes no difference; write it once", name_));
    }
    names_.push_back(lowered(name_));
    if (names_.size() == kMaxHeaders + 1) {
      return fault(key, fmt::format("there are more than {} headers; remove some", kMaxHeaders));
    }
    read_value(key + 1);
  }

  void read_value(Index value) {
    if (tree().kind(value) == Kind::kMap) {
      const auto found = read_map(*this, value, name_, kFileKeys);
      draft().text.order(value, found);
      if (found[0] == kAbsent && whole()) fault(value, fmt::format("{} needs a `file`, or is a text", name_));
    } else if (is_scalar(value)) {
      add(value, used_secret(value, is_secret_header(name_)));
    } else {
      wrong_type(value, "text, or `{file: NAME}`");
    }
  }
  void read_file(Index value) { add(value, secret_file(value)); }

  void add(Index value, std::optional<std::string> text) {
    if (!text) return;
    if (auto why = probe::refuse_header(name_, *text)) return fault(value, *why);
    spec().headers.push_back({name_, common::Secret(std::move(*text))});
  }

  std::string name_;
  std::vector<std::string> names_;  ///< in small letters
};

const std::array<Key<HeadersReader>, 1> HeadersReader::kFileKeys{{
    {"file", &HeadersReader::read_file},
}};

class BodyReader : private SpecFields {
 public:
  explicit BodyReader(Draft& draft) : SpecFields(draft) {}

  void read_inline(Index value) {
    auto text = used_secret(value, false);
    draft().text.hide(value, "\"***\"");  // it may be a form with a password in it
    if (!text) return;
    if (text->size() > kMaxInlineBody) {
      return fault(value, fmt::format("the body is {} bytes long; at most {} are allowed, put it into a file and name "
                                      "that with body_file",
                                      text->size(), kMaxInlineBody));
    }
    spec().body = common::Secret(std::move(*text));
  }
  void read_file(Index value) {
    if (auto text = file_text(value, "body", kMaxBodyFile, false)) spec().body = common::Secret(std::move(*text));
  }
};

class AuthReader : private SpecFields {
 public:
  explicit AuthReader(Draft& draft) : SpecFields(draft) {}

  void read(Index map) {
    const auto found = read_keys(*this, map, kKinds);
    const auto given = std::ranges::count_if(found, [](Index value) { return value != kAbsent; });
    if (given > 1) {
      const auto last = std::ranges::max(found);
      fault(last - 1, "auth says more than one of basic, bearer and oauth2; keep one of them");
    } else if (given == 0 && whole() && tree().kind(map) == Kind::kMap) {
      fault(map, "auth needs one of basic, bearer and oauth2");
    }
  }

 private:
  using Kinds = probe::Auth::Kind;
  static const std::array<Key<AuthReader>, 3> kKinds;
  static const std::array<Key<AuthReader>, 3> kBasicKeys;
  static const std::array<Key<AuthReader>, 2> kBearerKeys;
  static const std::array<Key<AuthReader>, 5> kOauthKeys;

  void read_basic(Index map) {
    spec().auth.kind = Kinds::kBasic;
    const auto found = read_keys(*this, map, kBasicKeys);
    require(map, found[0], "a user");
    require_one(map, found[1], found[2], "password and password_file");
    if (auto why = probe::refuse_credentials(spec().auth.user, spec().auth.secret.reveal())) {
      fault(map, fmt::format("basic: {}", *why));
    }
  }
  void read_bearer(Index map) {
    spec().auth.kind = Kinds::kBearer;
    const auto found = read_keys(*this, map, kBearerKeys);
    require_one(map, found[0], found[1], "token and token_file");
  }
  void read_oauth(Index map) {
    spec().auth.kind = Kinds::kOauth2;
    const auto found = read_keys(*this, map, kOauthKeys);
    require(map, found[0], "a token_url");
    require(map, found[1], "a client_id");
    require_one(map, found[2], found[3], "client_secret and client_secret_file");
  }

  void require(Index map, Index value, std::string_view what) {
    if (value == kAbsent && whole() && tree().kind(map) == Kind::kMap) {
      fault(map, fmt::format("{} needs {}", key_of(map), what));
    }
  }

  void read_user(Index value) { spec().auth.user = used_text(value).value_or(""); }
  void read_secret(Index value) { take(value, used_secret(value)); }
  void read_secret_file(Index value) { take(value, secret_file(value)); }
  void take(Index value, std::optional<std::string> secret) {
    if (!secret) return;
    if (spec().auth.kind == Kinds::kBearer) {
      if (auto why = probe::refuse_token(*secret)) return fault(value, *why);
    }
    if (spec().auth.kind == Kinds::kOauth2 && secret->empty()) return fault(value, "client_secret is empty");
    spec().auth.secret = common::Secret(std::move(*secret));
  }
  void read_token_url(Index value) {
    auto url = used_url(value);
    if (!url) return;
    if (auto why = probe::refuse_url(url->text)) {
      return fault(value, fmt::format("token_url: {}", url->without_values(*why)));
    }
    spec().auth.token_url = std::move(url->text);
  }
  void read_client_id(Index value) {
    auto text = used_text(value);
    if (!text) return;
    if (text->empty()) return fault(value, "client_id is empty; write the one the token server knows");
    spec().auth.user = std::move(*text);
  }
  void read_scope(Index value) {
    auto text = used_text(value);
    if (!text) return;
    // RFC 6749 §3.3.
    const auto allowed = [](char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; };
    if (!std::ranges::all_of(*text, allowed)) {
      return fault(value, "scope holds a character that none has; write the scopes with blanks between them");
    }
    spec().auth.scope = std::move(*text);
  }
};

const std::array<Key<AuthReader>, 3> AuthReader::kKinds{{
    {"basic", &AuthReader::read_basic},
    {"bearer", &AuthReader::read_bearer},
    {"oauth2", &AuthReader::read_oauth},
}};

const std::array<Key<AuthReader>, 3> AuthReader::kBasicKeys{{
    {"user", &AuthReader::read_user},
    {"password", &AuthReader::read_secret},
    {"password_file", &AuthReader::read_secret_file},
}};

const std::array<Key<AuthReader>, 2> AuthReader::kBearerKeys{{
    {"token", &AuthReader::read_secret},
    {"token_file", &AuthReader::read_secret_file},
}};

const std::array<Key<AuthReader>, 5> AuthReader::kOauthKeys{{
    {"token_url", &AuthReader::read_token_url},
    {"client_id", &AuthReader::read_client_id},
    {"client_secret", &AuthReader::read_secret},
    {"client_secret_file", &AuthReader::read_secret_file},
    {"scope", &AuthReader::read_scope},
}};

}  // namespace

bool is_secret_header(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kTelling{"auth", "cookie",  "token",      "secret",   "key",
                                                            "pass", "session", "credential", "signature"};
  const auto low = lowered(name);
  return std::ranges::any_of(kTelling, [&](std::string_view word) { return low.find(word) != std::string::npos; });
}

void read_headers(Draft& draft, Tree::Index value) {
  HeadersReader(draft).read(value);
}

void read_body(Draft& draft, Tree::Index value) {
  BodyReader(draft).read_inline(value);
}

void read_body_file(Draft& draft, Tree::Index value) {
  BodyReader(draft).read_file(value);
}

void read_auth(Draft& draft, Tree::Index value) {
  AuthReader(draft).read(value);
}

}  // namespace monitor::config
