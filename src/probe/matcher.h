// Inspects responses and redacts what is kept of them, where that is much work: on threads of its own. io thread only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "common/units.h"
#include "probe/inspect.h"

namespace monitor::probe {

/// RE2 takes time linear in the body, but at worst as many steps a byte as the expression has instructions: seconds
/// for 1 MiB of hostile text and an expression like `a.{490}b`. Nobody else may stand still for that long.
class Matcher {
 public:
  explicit Matcher(boost::asio::any_io_executor io);
  /// Waits for the inspections that run (RE2 cannot be interrupted), not for those that wait for a thread.
  ~Matcher();
  Matcher(const Matcher&) = delete;
  Matcher& operator=(const Matcher&) = delete;

  /// Whether it can be inspected on the io thread: a few milliseconds whatever it holds.
  static bool is_little(const Received& received, const Expectations& expectations);

  /// An inspection that did not end in time.
  struct GivenUp {
    bool begun = false;  ///< false: the threads were busy with others all the time
  };
  /// inspect() on a thread of its own, unless it has not ended by `until` (real steady clock). Cancelled: throws
  /// `operation_aborted`. Either way the work itself, once begun, goes on unseen, with what it works on; until it has
  /// ended nothing more is begun for the same `service` (null: for whomever), so that none takes all the threads.
  boost::asio::awaitable<std::variant<Findings, GivenUp>> inspect(Received received, SharedExpectations expectations,
                                                                  common::SteadyTime until,
                                                                  const void* service = nullptr);

  /// Whether evidence_text() of so many bytes can be had on the io thread.
  static bool is_little_evidence(std::size_t bytes, const Expectations& expectations);
  /// evidence_text() on a thread of its own; nothing when it has not ended by `until`. Cancelled as inspect().
  boost::asio::awaitable<std::optional<std::string>> evidence(std::string head, std::string body,
                                                              SharedExpectations expectations, SharedSecrets secrets,
                                                              common::SteadyTime until);

 private:
  /// Nothing: `work` is done.
  boost::asio::awaitable<std::optional<GivenUp>> run(std::function<void()> work, common::SteadyTime until,
                                                     const void* service);
  bool still_works_for(const void* service) const;

  struct Job;
  struct Answer;

  boost::asio::any_io_executor io_;
  /// Begun and given up; those that have ended are null. Shared with whoever may still wait when all is torn down.
  std::shared_ptr<std::vector<std::weak_ptr<const Job>>> unseen_;
  std::optional<boost::asio::thread_pool> pool_;  ///< made when it is first needed
};

}  // namespace monitor::probe
