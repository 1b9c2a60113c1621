// Reads values of the types that the configuration knows, and says what is wrong with those that are none. Pure but for
// the environment.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/expand.h"
#include "config/faults.h"
#include "config/interpret.h"
#include "config/tree.h"

namespace monitor::config {

/// A key of a mapping, and the member function that reads its value.
template <typename Reader>
struct Key {
  std::string_view name;
  void (Reader::*read)(Tree::Index value);
};

/// What the readers of a mapping's keys share. Every function that returns nothing has reported why.
class Fields {
 public:
  using Index = Tree::Index;
  using Seconds = std::chrono::seconds;
  static constexpr Index kAbsent = 0;  ///< the root is nobody's value

  /// All three outlive it.
  Fields(const Tree& tree, const Reading& reading, Faults& faults);

 protected:
  const Tree& tree() const { return tree_; }
  const Reading& reading() const { return reading_; }
  Values values() const { return reading_.values; }
  Faults& faults() { return faults_; }
  /// Faults from here on belong to this service.
  void enter_service(std::optional<std::size_t> service) { service_ = service; }
  std::optional<std::size_t> current_service() const { return service_; }

  void fault(Index node, std::string sentence) { faults_.add(tree_.position(node), std::move(sentence), service_); }
  void wrong_type(Index value, std::string_view wanted);
  /// The same for an item of the list `name`.
  void wrong_item(Index item, std::string_view name, std::string_view wanted);
  std::string key_of(Index value) const { return std::string(tree_.text(value - 1)); }

  std::optional<std::string> text_of(Index value);
  /// A text, or the text of a number or a boolean: where nothing else than text can be meant.
  std::optional<std::string> words_of(Index value);
  /// The same for an item of the list `name`.
  std::optional<std::string> words_of_item(Index item, std::string_view name);
  /// Nothing, and nothing reported, for null.
  std::optional<std::string> text_or_null(Index value);
  /// What a duration or a size may be written as: text or a number.
  std::optional<std::string> measure_of(Index value, std::string_view wanted);
  std::optional<bool> boolean_of(Index value);
  std::optional<int> whole_number(Index value, int low, int high);
  std::optional<Seconds> seconds_within(Index value, Seconds low, Seconds high, std::string_view hint = {});
  std::optional<Seconds> duration_within(Index value, std::string_view text, Seconds low, Seconds high);
  std::optional<std::uint64_t> size_within(Index value, std::string_view text, std::uint64_t low, std::uint64_t high);

  /// Whether `${NAME}` in `typed` stands for a variable: in YAML. JSON is what it says.
  bool names_variable(std::string_view typed) const { return expands_ && typed.find("${") != std::string_view::npos; }
  /// `typed` with `***` for every `${NAME}`: a secret that is left stands in the file itself.
  std::string without_variables(std::string_view typed) const;
  /// `typed` with `${NAME}` expanded. Nothing also where it is not to be judged now, because it holds a `${NAME}`.
  std::optional<Expansion> expanded(Index value, std::string_view typed);
  std::optional<std::string> expanded_text(Index value, std::string_view typed);

  /// Reports keys that are unknown or repeated, then lets `reader` read the others in the order of the table. Returns
  /// where their values are.
  template <typename Reader, std::size_t N>
  std::array<Index, N> read_map(Reader& reader, Index map, std::string_view owner,
                                const std::array<Key<Reader>, N>& keys) {
    std::array<Index, N> found{};
    for (Index key = Tree::first(map); key != tree_.after(map); key = tree_.after(key + 1)) {
      std::size_t i = 0;
      while (i < N && keys[i].name != tree_.text(key)) ++i;
      if (i == N) {
        refuse_key(key, owner, names_of(keys));
      } else if (found[i] != kAbsent) {
        refuse_repeated(key, found[i] - 1);
      } else {
        found[i] = key + 1;
      }
    }
    for (std::size_t i = 0; i < N; ++i) {
      if (found[i] != kAbsent && tree_.kind(found[i]) != Kind::kRefused) (reader.*keys[i].read)(found[i]);
    }
    return found;
  }

 private:
  template <typename Reader, std::size_t N>
  static std::vector<std::string_view> names_of(const std::array<Key<Reader>, N>& keys) {
    std::vector<std::string_view> names;
    names.reserve(N);
    for (const auto& key : keys) names.push_back(key.name);
    return names;
  }
  std::optional<std::string> plain_words(Index value, std::string_view name);
  /// What a value that is not what it should be is.
  std::string what_is(Index value) const;
  void refuse_key(Index key, std::string_view owner, const std::vector<std::string_view>& names);
  void refuse_repeated(Index key, Index first);

  const Tree& tree_;
  const Reading& reading_;
  const bool expands_;
  Faults& faults_;
  std::optional<std::size_t> service_;
};

/// What kind of thing a node is, as a sentence calls it.
std::string_view noun(Kind kind);

}  // namespace monitor::config
