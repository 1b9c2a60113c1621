// When the disk fails: when to try again, and what to say, once per change. Pure.
#pragma once

#include <algorithm>
#include <string>

#include "common/units.h"

namespace monitor::storage {

class Trouble {
 public:
  static constexpr std::chrono::seconds kFirstRetry{1};
  static constexpr std::chrono::seconds kLastRetry{30};

  bool now() const { return !problem_.empty(); }
  const std::string& problem() const { return problem_; }
  common::SteadyTime retry_at() const { return retry_at_; }

  /// A commit failed. True: this is news.
  bool failed(std::string problem, common::SteadyTime now) {
    const bool news = problem_.empty();
    backoff_ = news ? kFirstRetry : std::min(2 * backoff_, kLastRetry);
    retry_at_ = now + backoff_;
    problem_ = std::move(problem);
    return news;
  }
  /// A commit succeeded. True: this is news.
  bool succeeded() {
    const bool news = !problem_.empty();
    problem_.clear();
    return news;
  }

 private:
  std::string problem_;
  std::chrono::seconds backoff_{kFirstRetry};
  common::SteadyTime retry_at_{};
};

}  // namespace monitor::storage
