// The agent: what is due goes to a pool of coroutines, and what they saw to the store. io thread only.
#pragma once

#include <array>
#include <deque>
#include <exception>
#include <limits>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/agent.h"
#include "agent/demand.h"
#include "agent/history.h"
#include "agent/politeness.h"
#include "agent/probing.h"
#include "agent/punctuality.h"
#include "agent/recheck.h"
#include "agent/schedule.h"
#include "async/event.h"
#include "async/task_group.h"

namespace monitor::agent {

/// How a service is checked, and under what its results are stored: a check keeps those it began with.
struct Terms {
  std::shared_ptr<const probe::Check> check;
  std::shared_ptr<const probe::Spec> said;  ///< null: every default
  storage::DefinitionId definition = 0;
  std::chrono::seconds timeout{};
  const probe::Spec& spec() const;
};

/// A service as the agent knows it. It has one place among them from its first check to its last.
struct Member {
  std::string label;
  Terms terms;
  std::chrono::seconds interval{};
  static constexpr std::uint32_t kNoHost = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t host = kNoHost;  ///< its number, where there are limits
  bool gone = false;             ///< the configuration has it no more
  History history{};
  std::uint64_t recheck = 0;                  ///< the task of the re-check that runs; 0: none
  bool recheck_ends = false;                  ///< and was asked to make room
  std::optional<Slot> held{};                 ///< came while that ran, and begins when it has ended
  std::optional<common::SteadyTime> began{};  ///< the slot's check that runs
  std::optional<common::Micros> took{};       ///< the last one that ended
};

/// One line for what there is to say.
void say(const Member& member, Notice notice, const std::string& reason);

class PollingAgent final : public Agent {
 public:
  PollingAgent(boost::asio::any_io_executor io, const Options& options, std::size_t max_running, probe::Prober& prober,
               storage::Store& store, const async::Clock& clock);

  boost::asio::awaitable<void> start() override;
  common::SteadyTime step() override;
  boost::asio::awaitable<void> run() override;
  void stop() override;
  boost::asio::awaitable<void> apply(Change& change, std::size_t max_running) override;
  void cut() override { workers_.cancel(); }
  void close_books() override;
  Health health() const override;

 private:
  /// A turn that comes this much too late means that the process stood still (stopped, suspended, starved of CPU).
  static constexpr std::chrono::seconds kStall{2};
  bool has_stood_still(common::SteadyTime now) const { return now - expected_ > kStall; }
  /// On the clock that goes on while the machine sleeps, so that a sleep is a stall like any other.
  common::SteadyTime now() const { return clock_.boot(); }
  /// Services that are about to be polled on new terms.
  struct Ready {
    std::vector<Terms> terms;
    std::vector<std::string> keys;
    std::unordered_map<std::string, common::WallTime> last_runs;
    std::unordered_map<std::string, common::Verdict> verdicts;
  };
  using Positions = std::vector<std::uint32_t>;
  boost::asio::awaitable<Ready> make_ready(const std::vector<probe::Service>& services, const Positions& wanted,
                                           bool with_past);
  std::vector<Schedule::Placed> add(const Positions& positions, Ready& ready, common::Micros grid);
  boost::asio::awaitable<void> start_with(Options& options);
  void lay_out(Options& options, const Positions& all, Ready& ready);
  boost::asio::awaitable<void> start_at_last();
  boost::asio::awaitable<std::optional<std::string>> want_at_start();
  std::size_t place_for(const std::string& key);
  void take_over(Change& change, Ready& ready);
  void let_go(std::size_t place, const std::string& key);
  void drop_slots_of_gone();
  static bool is_idle(const Member& member) { return !member.began && member.recheck == 0; }
  void clear_away(std::size_t service);
  void skip_stopping(const Slot& slot);
  void give_up_for_memory(const Slot& slot);
  std::vector<std::optional<std::uint32_t>> number_hosts(Hosts hosts);
  void make_polite(Hosts hosts);
  std::string problem() const;
  void say_what_runs() const;
  void account_for_missed(common::SteadyTime now);
  void say_stood_still(common::SteadyTime now, std::int64_t slots);
  void say_calm(common::SteadyTime now);
  void say_exhausted(common::SteadyTime now);
  void say_no_memory(common::SteadyTime now);
  void say_no_start(const std::string& want);
  void say_start_at_last() const;
  void watch_punctuality(common::SteadyTime now);
  void say_limited(const MissedSlots& missed, common::SteadyTime now);
  std::vector<Load> loads(common::SteadyTime now) const;
  boost::asio::awaitable<void> work();
  boost::asio::awaitable<void> run_slot(Slot slot);
  boost::asio::awaitable<probe::Observation> ask(std::size_t service, Terms terms);
  void take(const Slot& slot);
  void hold(const Slot& slot);
  void enqueue(const Slot& slot);
  bool start_worker();
  void start_workers();
  void admit(common::SteadyTime now);
  void give_up(MissedSlots missed, common::SteadyTime now);
  void leave(std::size_t service);
  void start_rechecks(common::SteadyTime now);
  boost::asio::awaitable<void> confirm(Recheck recheck);
  boost::asio::awaitable<void> run_recheck(Recheck recheck);
  void recheck_ended(std::size_t service);
  void plan_next(const Recheck& next, common::SteadyTime ended);
  void end_recheck(std::size_t service);
  void cancel_rechecks(std::size_t count);
  void skip(const MissedSlots& missed);
  common::SteadyTime::duration late(common::SteadyTime now) const;
  common::SteadyTime::duration stood_still(common::SteadyTime now) const;
  void excuse(probe::Observation& seen, common::SteadyTime::duration stood_still) const;
  void leave_alone(std::size_t service, const probe::Observation& seen, common::SteadyTime ended);
  void count(std::optional<common::Verdict> before, common::Verdict after);

  Options options_;
  std::size_t max_running_;
  probe::Prober& prober_;
  storage::Store& store_;
  const async::Clock& clock_;
  async::Event wake_, start_tried_;
  Probing probing_;  // outlives what runs
  async::TaskGroup workers_;
  std::optional<Schedule> schedule_;
  std::optional<Politeness> polite_;  ///< where there are limits
  std::vector<std::string> host_names_;
  std::deque<Member> members_;     ///< by place, which never moves; those that are free among them
  std::vector<std::size_t> free_;  ///< places
  std::unordered_map<std::string, std::size_t> leaving_;  ///< places of services that are gone, by key, while checked
  std::vector<std::size_t> place_;                        ///< of each of options_.services
  std::deque<Slot> waiting_;
  std::vector<Slot> ready_;
  std::vector<MissedSlots> missed_;
  std::vector<Slot> admitted_;
  std::vector<MissedSlots> given_up_;
  Rechecks rechecks_;
  std::vector<Recheck> due_rechecks_;
  std::vector<std::size_t> rechecking_;  ///< services whose re-check runs
  common::SteadyTime expected_{};        ///< when the next step should come
  std::size_t running_ = 0;              ///< checks and re-checks that hold one of max_running_ places
  std::exception_ptr failure_;
  bool stopping_ = false;
  bool admitting_ = false;
  bool starting_ = false;                            ///< services are being made ready for the first schedule
  std::optional<common::SteadyTime> tell_no_start_;  ///< once a start found no memory: when to tell it again
  common::SteadyTime::duration late_turns_{};        ///< by how much they came late, in all
  common::SteadyTime settled_at_{};  ///< from then on the first checks are over, which come closer than all others
  Punctuality punctuality_;
  std::optional<common::SteadyTime> stalled_at_;    ///< when the process last stood still, while that is news
  int stalls_ = 0;                                  ///< since it was said, and
  std::int64_t stalled_slots_ = 0;                  ///< the slots that this kept from running
  std::optional<common::SteadyTime> exhausted_at_;  ///< when a full pool last kept a slot from running, likewise
  std::optional<common::SteadyTime> limited_at_;    ///< when limits last kept a slot from running, while that is so
  std::array<std::size_t, 4> by_verdict_{};         ///< services by their last slot's
  std::uint64_t checks_ = 0, rechecked_ = 0, skipped_ = 0, steps_ = 0;
};

}  // namespace monitor::agent
