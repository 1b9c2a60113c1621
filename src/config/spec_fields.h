// What the readers of a service's additional keys share: the values found so far, and the ways to read one more.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/units.h"
#include "config/fields.h"
#include "config/settings_text.h"
#include "config/spec.h"

namespace monitor::config {

/// One service's additional keys while they are read.
struct Draft {
  const Tree& tree;
  const Reading& reading;
  Faults& faults;
  std::optional<std::size_t> service;
  Patterns& patterns;
  SettingsText text;
  probe::Spec spec{};
  std::vector<std::filesystem::path> exposed{};
  bool holds_secret = false;
};

class SpecFields : public Fields {
 protected:
  explicit SpecFields(Draft& draft) : Fields(draft.tree, draft.reading, draft.faults), draft_(draft) {
    enter_service(draft.service);
  }

  Draft& draft() { return draft_; }
  probe::Spec& spec() { return draft_.spec; }
  /// Whether all of the service is there, so that what keys must keep together can be judged.
  bool whole() const { return !draft_.reading.part; }
  bool is_scalar(Index value) const { return tree().kind(value) == Kind::kPlain || tree().kind(value) == Kind::kText; }

  /// Reads a mapping with these keys, or says what it is instead.
  template <typename Reader, std::size_t N>
  std::array<Index, N> read_keys(Reader& reader, Index map, const std::array<Key<Reader>, N>& keys) {
    if (tree().kind(map) != Kind::kMap) {
      no_mapping(map, mapping_of(keys));
      return {};
    }
    const auto found = read_map(reader, map, key_of(map), keys);
    draft_.text.order(map, found);
    return found;
  }

  /// What is wrong with something else in the place of a mapping; not quoted, because it may be a secret.
  void no_mapping(Index value, std::string_view wanted);
  /// Expanded, with the values taken down as what no sentence may show.
  std::optional<Expansion> used(Index value, std::string_view typed);
  /// A text as it is used: with `${NAME}` expanded; nothing where it holds one and is not to be judged now.
  std::optional<std::string> used_text(Index value);
  /// The same for a number with or without a unit: one without stays a number.
  std::optional<std::string> used_measure(Index value);
  /// The same for a secret, which is never shown. `is_secret`: false where it only may be one.
  std::optional<std::string> used_secret(Index value, bool is_secret = true);
  /// Writes a text as the text it is, whatever it looks like, and returns it as typed.
  std::optional<std::string> typed_text(Index value);
  std::optional<std::string> typed_item(Index item, std::string_view name);
  /// The same for the URL of something else than the service; user and password are not shown.
  std::optional<Expansion> used_url(Index value);

  std::optional<bool> boolean(Index value);
  std::optional<int> whole_number(Index value, int low, int high);
  std::optional<common::Micros> short_duration(Index value);
  /// The number of the word in `words` that the value is.
  std::optional<std::size_t> choice(Index value, std::span<const std::string_view> words);
  std::optional<net::TlsVersion> tls_version(Index value);
  /// RE2, one or a list of them.
  std::vector<std::string> patterns(Index value);
  std::optional<std::string> pattern(Index value, std::string_view name);

  /// What a file says, which is read now or, where that is not the time, only named. `what`: "body".
  std::optional<std::string> file_text(Index value, std::string_view what, std::size_t limit, bool secret);
  /// The same for a secret: a line break at its end does not belong to it.
  std::optional<std::string> secret_file(Index value);
  /// Where the file is that the last file_text() read.
  const std::filesystem::path& read_from() const { return read_from_; }

  /// Exactly one of two keys must be there.
  void require_one(Index map, Index first, Index second, std::string_view names);

 private:
  template <typename Reader, std::size_t N>
  static std::string mapping_of(const std::array<Key<Reader>, N>& keys) {
    std::string out = "a mapping with";
    for (std::size_t i = 0; i < N; ++i) {
      out += i == 0 ? " `" : i + 1 == N ? " or `" : ", `";
      out.append(keys[i].name).append("`");
    }
    return out;
  }
  void hide_if_secret(Index value, const std::string& typed, bool is_secret);

  Draft& draft_;
  std::filesystem::path read_from_;
};

// One function for each key of a service, in the order of spec.cpp's table.
void read_headers(Draft& draft, Tree::Index value);
void read_body(Draft& draft, Tree::Index value);
void read_body_file(Draft& draft, Tree::Index value);
void read_auth(Draft& draft, Tree::Index value);
void read_tls(Draft& draft, Tree::Index value);
void read_redirects(Draft& draft, Tree::Index value);
void read_family(Draft& draft, Tree::Index value);
void read_connect_to(Draft& draft, Tree::Index value);
void read_resolver(Draft& draft, Tree::Index value);
void read_proxy(Draft& draft, Tree::Index value);
void read_connection(Draft& draft, Tree::Index value);
void read_compression(Draft& draft, Tree::Index value);
void read_expect(Draft& draft, Tree::Index value);
void read_evidence(Draft& draft, Tree::Index value);
void read_recheck(Draft& draft, Tree::Index value);

}  // namespace monitor::config
