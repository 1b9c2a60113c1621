// What is wrong with a configuration, all of it, each fault with its place. Any one thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/tree.h"

namespace monitor::config {

struct Fault {
  std::uint32_t position = 0;
  std::optional<std::size_t> service;  ///< the service it is in, counted in the order of the file
  std::string sentence;                ///< what is wrong; what is allowed
};

class Faults {
 public:
  void add(std::uint32_t position, std::string sentence, std::optional<std::size_t> service = std::nullopt);
  bool empty() const { return faults_.empty(); }
  std::size_t count() const { return faults_.size() + more_; }
  /// The first ten thousand, in the order in which they were found.
  const std::vector<Fault>& all() const { return faults_; }

  /// One line per fault, `FILE:LINE:COLUMN: sentence`, in the order of the file, and `and N more` where there are too
  /// many to read.
  std::string lines(const std::filesystem::path& file, const Tree& tree) const;
  /// The same for values that are not in a file yet: `LABEL: sentence`.
  std::string lines(const std::vector<std::string>& service_labels) const;

 private:
  template <typename Line>
  std::string joined(const Line& line) const;

  std::vector<Fault> faults_;
  std::size_t more_ = 0;
};

/// `text` up to its first `=` or `://`, with `…` for what follows: that may be a password typed in the wrong place.
std::string without_secret(std::string_view text);

/// What a person typed, as a sentence quotes it: inert in a terminal, short, and without_secret().
std::string in_quotes(std::string_view text);

/// `FILE:LINE:COLUMN: sentence`.
std::string at(const std::filesystem::path& file, Place place, std::string_view sentence);

}  // namespace monitor::config
