// How services come to be polled, at the start and whenever the configuration changes, and how they go.
#include <algorithm>
#include <exception>
#include <new>
#include <numeric>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "agent/polling_agent.h"
#include "agent/row.h"
#include "common/text.h"

namespace monitor::agent {

namespace asio = boost::asio;

namespace {

/// Above this interval the last run is remembered across restarts (DESIGN: "Slot").
constexpr std::chrono::minutes kRememberAbove{5};
/// So many are made ready before others have a turn on the io thread: a few milliseconds.
constexpr std::size_t kReadyAtOnce = 128;

common::Micros grid_of(const std::vector<probe::Service>& services) {
  std::vector<Load> loads;
  loads.reserve(services.size());
  for (const auto& service : services) loads.push_back({service.interval, std::nullopt});
  return grid_for(rate_asked(loads));
}

}  // namespace

const probe::Spec& Terms::spec() const {
  static const probe::Spec kDefaults;
  return said ? *said : kDefaults;
}

asio::awaitable<void> PollingAgent::start() {
  return start_with(options_);
}

/// One of these at a time. `options`: those in force, or what is to be in force if this comes to something.
asio::awaitable<void> PollingAgent::start_with(Options& options) {
  starting_ = true;
  std::exception_ptr failure;
  try {
    Positions all(options.services.size());
    std::iota(all.begin(), all.end(), 0U);
    Ready ready = co_await make_ready(options.services, all, true);
    lay_out(options, all, ready);
  } catch (...) {
    failure = std::current_exception();
  }
  starting_ = false;
  start_tried_.notify();
  if (failure) std::rethrow_exception(failure);
  wake_.notify();
  try {
    say_what_runs();
  } catch (const std::bad_alloc&) {  // they run all the same
  }
}

/// Begins anew what an attempt left that ended for want of memory; the schedule comes last, and says that it is done.
void PollingAgent::lay_out(Options& options, const Positions& all, Ready& ready) {
  members_.clear();
  free_.clear();
  host_names_.clear();
  polite_.reset();
  by_verdict_ = {};
  place_.assign(all.size(), 0);
  const bool others = &options != &options_;
  if (others) std::swap(options_, options);
  try {
    Schedule schedule(std::vector<Phase>{});
    schedule.put(add(all, ready, grid_of(options_.services)));
    make_polite(options_.limits.any() ? hosts_of(options_.services) : Hosts{});
    expected_ = now();
    schedule_.emplace(std::move(schedule));
  } catch (...) {
    if (others) std::swap(options_, options);
    throw;
  }
}

/// `wanted`: positions among the services. `with_past`: also what earlier runs knew of them.
asio::awaitable<PollingAgent::Ready> PollingAgent::make_ready(const std::vector<probe::Service>& services,
                                                              const Positions& wanted, bool with_past) {
  Ready ready;
  std::vector<storage::Definition> definitions;
  definitions.reserve(wanted.size());
  bool any_remembered = false;
  for (const auto position : wanted) {
    const auto& service = services[position];
    definitions.push_back(to_definition(service));
    ready.keys.push_back(definitions.back().key);
    ready.terms.push_back({prober_.prepare(service), service.extra, 0, service.timeout});
    any_remembered = any_remembered || service.interval > kRememberAbove;
    if (definitions.size() % kReadyAtOnce == 0) co_await asio::post(asio::use_awaitable);
  }
  const auto ids = co_await store_.define(std::move(definitions));
  for (std::size_t i = 0; i < ids.size(); ++i) ready.terms[i].definition = ids[i];
  if (with_past && any_remembered) ready.last_runs = co_await store_.last_runs();
  if (with_past) ready.verdicts = co_await store_.last_verdicts();
  co_return ready;
}

/// One that went while its check runs, and comes again, has its place again: it is never checked twice at once.
std::size_t PollingAgent::place_for(const std::string& key) {
  if (const auto leaving = leaving_.extract(key)) {
    Member& member = members_[leaving.mapped()];
    member.gone = false;
    if (const auto last = member.history.last()) ++by_verdict_.at(static_cast<std::size_t>(*last));
    return leaving.mapped();
  }
  if (free_.empty()) {
    members_.emplace_back();
    return members_.size() - 1;
  }
  const auto place = free_.back();
  free_.pop_back();
  members_[place] = Member{};
  return place;
}

/// Gives services of options_ a place; `ready` begins with them. Returns when they are due.
std::vector<Schedule::Placed> PollingAgent::add(const Positions& positions, Ready& ready, common::Micros grid) {
  std::vector<Schedule::Placed> phases;
  phases.reserve(positions.size());
  const auto start = now();
  const auto wall = clock_.wall();
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const auto& service = options_.services[positions[i]];
    const auto& key = ready.keys[i];
    const auto place = place_[positions[i]] = place_for(key);
    Member& member = members_[place];
    member.label = service.log_label();
    member.terms = std::move(ready.terms[i]);
    member.interval = service.interval;
    if (const auto verdict = ready.verdicts.find(key); verdict != ready.verdicts.end()) {
      member.history.remember(verdict->second);
    }
    std::optional<common::Micros> ago;
    const auto last = ready.last_runs.find(key);
    if (service.interval > kRememberAbove && last != ready.last_runs.end() && last->second <= wall) {
      ago = wall - last->second;
    }
    phases.push_back({place, first_slots(start, common::stable_hash(key), service.interval, grid, ago)});
  }
  return phases;
}

asio::awaitable<void> PollingAgent::apply(Change& change, std::size_t max_running) {
  while (!schedule_ && starting_) co_await start_tried_.wait();
  if (stopping_ || failure_) co_return;
  if (!schedule_) {  // there was no memory for those before, and there may be for these
    co_await start_with(change.options);
    max_running_ = max_running;
    co_return;
  }
  Positions wanted = change.added;
  wanted.insert(wanted.end(), change.changed.begin(), change.changed.end());
  wanted.insert(wanted.end(), change.renewed.begin(), change.renewed.end());
  Ready ready = co_await make_ready(change.options.services, wanted, !change.added.empty());
  if (stopping_ || failure_) co_return;
  step();  // what has come due by now did so under what was in force
  max_running_ = max_running;
  take_over(change, ready);
  start_workers();
  wake_.notify();
}

/// In one go, so that no check sees half of it.
void PollingAgent::take_over(Change& change, Ready& ready) {
  std::vector<bool> out(members_.size());
  const auto before = std::exchange(place_, std::vector<std::size_t>(change.was.size()));
  for (std::size_t i = 0; i < place_.size(); ++i) {
    if (change.was[i] != Change::kNew) place_[i] = before[change.was[i]];
  }
  std::swap(options_, change.options);
  std::vector<std::size_t> gone;
  gone.reserve(change.removed.size());
  for (const auto position : change.removed) {
    const auto place = gone.emplace_back(before[position]);
    let_go(place, change.options.services[position].key());
    out[place] = true;
  }
  std::unordered_map<std::size_t, std::uint64_t> hashes;  // of those whose interval changed
  std::size_t next = change.added.size();
  for (const auto* positions : {&change.changed, &change.renewed}) {
    for (const auto position : *positions) {
      Member& member = members_[place_[position]];
      const auto& service = options_.services[position];
      if (member.interval != service.interval) {
        out[place_[position]] = true;
        hashes.emplace(place_[position], common::stable_hash(ready.keys[next]));
      }
      member.label = service.log_label();
      member.interval = service.interval;
      member.terms = std::move(ready.terms[next++]);
    }
  }
  const auto grid = grid_of(options_.services);
  auto phases = add(change.added, ready, grid);
  for (const auto& [place, phase, last] : schedule_->take_out(out)) {
    const auto hash = hashes.find(place);
    if (hash == hashes.end()) continue;  // it is gone
    phases.push_back({place, changed_slots(now(), hash->second, members_[place].interval, grid, phase, last), last});
  }
  schedule_->put(phases);
  drop_slots_of_gone();
  make_polite(std::move(change.hosts));
  for (const auto place : gone) clear_away(place);
}

/// Its running check goes on, and nobody hears of what it comes to but the store.
void PollingAgent::let_go(std::size_t place, const std::string& key) {
  Member& member = members_[place];
  member.gone = true;
  if (!is_idle(member)) leaving_.emplace(key, place);
  if (const auto last = member.history.last()) --by_verdict_.at(static_cast<std::size_t>(*last));
  rechecks_.give_way(place);
  schedule_->forget(place);
  if (const auto slot = std::exchange(member.held, std::nullopt)) {
    schedule_->finished(place);
    skip_stopping(*slot);
  }
}

/// To be followed by make_polite(), which counts anew what has been taken.
void PollingAgent::drop_slots_of_gone() {
  const auto drop = [this](const Slot& slot) {
    if (!members_[slot.service].gone) return false;
    schedule_->finished(slot.service);
    skip_stopping(slot);
    return true;
  };
  std::erase_if(waiting_, drop);
  if (!polite_) return;
  std::vector<Slot> held;
  polite_->take_all(held);
  for (const auto& slot : held) {
    if (!drop(slot)) polite_->hold(slot);
  }
}

/// A place is free when nothing of its service is under way any more.
void PollingAgent::clear_away(std::size_t service) {
  Member& member = members_[service];
  if (!member.gone || !is_idle(member)) return;
  std::erase_if(leaving_, [service](const auto& entry) { return entry.second == service; });
  member = Member{};
  if (polite_) polite_->forget(service);
  free_.push_back(service);
}

}  // namespace monitor::agent
