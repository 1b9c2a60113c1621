#include "config/spec.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "config/spec_fields.h"

namespace monitor::config {
namespace {

constexpr std::uint64_t kMostEvidence = 64ULL << 10;

class EvidenceReader : private SpecFields {
 public:
  explicit EvidenceReader(Draft& draft) : SpecFields(draft) {}

  void read(Index value) {
    if (is_scalar(value) && tree().text(value) == "none") {
      draft().text.say(value, "\"none\"");
      spec().evidence.none = true;
    } else if (tree().kind(value) == Kind::kMap) {
      read_keys(*this, value, kKeys);
    } else {
      wrong_type(value, "`none`, or a mapping with `bytes` and `redact`");
    }
  }

 private:
  static const std::array<Key<EvidenceReader>, 2> kKeys;

  void read_bytes(Index value) {
    const auto text = used_measure(value);
    const auto size = text ? size_within(value, *text, 0, kMostEvidence) : std::nullopt;
    if (size) spec().evidence.bytes = static_cast<std::size_t>(*size);
  }
  void read_redact(Index value) {
    spec().evidence.redact = patterns(value);
    for (const auto& pattern : spec().evidence.redact) {
      if (auto why = probe::refuse_redaction(pattern)) fault(value, fmt::format("redact: {}", *why));
    }
  }
};

const std::array<Key<EvidenceReader>, 2> EvidenceReader::kKeys{{
    {"bytes", &EvidenceReader::read_bytes},
    {"redact", &EvidenceReader::read_redact},
}};

class RecheckReader : private SpecFields {
 public:
  explicit RecheckReader(Draft& draft) : SpecFields(draft) {}

  void read(Index map) {
    const auto found = read_keys(*this, map, kKeys);
    if (whole() && found[0] == kAbsent && tree().kind(map) == Kind::kMap) {
      fault(map, "recheck needs `times`: how often a failure is checked again");
    }
  }

 private:
  static const std::array<Key<RecheckReader>, 2> kKeys;

  void read_times(Index value) { spec().recheck.times = whole_number(value, 0, 10).value_or(0); }
  void read_every(Index value) {
    spec().recheck.every = seconds_within(value, Seconds{1}, Seconds{60}).value_or(spec().recheck.every);
  }
};

const std::array<Key<RecheckReader>, 2> RecheckReader::kKeys{{
    {"times", &RecheckReader::read_times},
    {"every", &RecheckReader::read_every},
}};

struct SpecKey {
  std::string_view name;
  void (*read)(Draft& draft, Tree::Index value);
};

constexpr std::array kSpecKeys{
    SpecKey{"headers", read_headers},
    SpecKey{"body", read_body},
    SpecKey{"body_file", read_body_file},
    SpecKey{"auth", read_auth},
    SpecKey{"tls", read_tls},
    SpecKey{"redirects", read_redirects},
    SpecKey{"family", read_family},
    SpecKey{"connect_to", read_connect_to},
    SpecKey{"resolver", read_resolver},
    SpecKey{"proxy", read_proxy},
    SpecKey{"connection", read_connection},
    SpecKey{"compression", read_compression},
    SpecKey{"expect", read_expect},
    SpecKey{"evidence", read_evidence},
    SpecKey{"recheck", read_recheck},
};

}  // namespace

const std::optional<std::string>& Patterns::refuse(const std::string& pattern) {
  const auto [known, is_new] = refused_.try_emplace(pattern);
  if (is_new) known->second = probe::refuse_regex(pattern);
  return known->second;
}

SpecReading read_spec(const Tree& tree, std::span<const Tree::Index> values, const Reading& reading,
                      std::optional<std::size_t> service, Patterns& patterns, Faults& faults) {
  Draft draft{tree, reading, faults, service, patterns, SettingsText(tree)};
  for (const auto value : values) {
    const auto* const key = std::ranges::find(kSpecKeys, tree.text(value - 1), &SpecKey::name);
    if (key != kSpecKeys.end()) key->read(draft, value);
  }
  draft.spec.shown = draft.text.shown(values);
  return {std::make_shared<const probe::Spec>(std::move(draft.spec)), draft.text.typed(values),
          std::move(draft.exposed), draft.holds_secret};
}

void read_evidence(Draft& draft, Tree::Index value) {
  EvidenceReader(draft).read(value);
}

void read_recheck(Draft& draft, Tree::Index value) {
  RecheckReader(draft).read(value);
}

}  // namespace monitor::config
