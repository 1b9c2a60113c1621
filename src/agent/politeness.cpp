#include "agent/politeness.h"

#include <algorithm>
#include <limits>
#include <variant>

#include <fmt/format.h>

#include "net/url.h"

namespace monitor::agent {

using common::SteadyTime;
using std::chrono::seconds;

namespace {

constexpr seconds kLongestWait{1};
/// Slots in a row that a service is passed over before it waits for its turn as long as it takes.
constexpr int kStarved = 2;
/// A beginning that is late by no more than this does not put off the ones after it: timers are late by themselves.
constexpr std::chrono::milliseconds kCatchUp{10};

/// Taken apart again, it gives a host the one name that URLs give it.
std::string url_at(const std::string& host) {
  const bool is_address = host.find(':') != std::string::npos;
  return is_address ? fmt::format("http://[{}]/", host) : fmt::format("http://{}/", host);
}

}  // namespace

std::string host_of(const probe::Service& service) {
  const auto& place = service.spec().connect_to;
  const auto url = net::parse_url(place ? url_at(place->host) : service.target.empty() ? service.url : service.target);
  const auto* const parsed = std::get_if<net::Url>(&url);
  if (parsed == nullptr) return place ? place->host : std::string{};
  std::string host = parsed->host;
  if (host.ends_with('.')) host.pop_back();  // the same name, said to be complete
  return host;
}

Hosts hosts_of(const std::vector<probe::Service>& services) {
  Hosts hosts;
  hosts.of.reserve(services.size());
  std::unordered_map<std::string, std::uint32_t> numbers;
  for (const auto& service : services) {
    auto name = host_of(service);
    const auto [found, fresh] = numbers.try_emplace(name, static_cast<std::uint32_t>(hosts.names.size()));
    if (fresh) hosts.names.push_back(std::move(name));
    hosts.of.push_back(found->second);
  }
  return hosts;
}

Politeness::Politeness(const Limits& limits, std::vector<std::uint32_t> host_of, std::vector<seconds> intervals)
    : most_(limits.per_host_concurrency),
      spacing_(limits.per_host_rate > 0
                   ? std::chrono::ceil<Duration>(std::chrono::duration<double>(1 / limits.per_host_rate))
                   : Duration{0}),
      host_of_(std::move(host_of)),
      intervals_(std::move(intervals)),
      passed_over_(host_of_.size()),
      hosts_(host_of_.empty() ? 0 : *std::ranges::max_element(host_of_) + std::size_t{1}) {}

void Politeness::inherit(const Politeness& before, const std::vector<std::optional<std::uint32_t>>& number_before) {
  std::copy_n(before.passed_over_.begin(), std::min(passed_over_.size(), before.passed_over_.size()),
              passed_over_.begin());
  for (std::size_t i = 0; i < std::min(hosts_.size(), number_before.size()); ++i) {
    if (number_before[i]) hosts_[i].next = before.hosts_[*number_before[i]].next;
  }
}

void Politeness::resume(std::size_t service, bool begun) {
  ++host_of(service).running;
  if (!begun) ++host_of(service).queued;
  arm(host_of_[service]);
}

SteadyTime::duration patience_of(seconds interval) {
  return std::min<SteadyTime::duration>(SteadyTime::duration{interval} / 2, kLongestWait);
}

SteadyTime Politeness::end_of_patience(const Slot& slot) const {
  const auto interval = intervals_[slot.service];
  return slot.due + (passed_over_[slot.service] >= kStarved ? Duration{interval} : patience_of(interval));
}

void Politeness::hold(const Slot& slot) {
  const auto until = end_of_patience(slot);
  held_[slot.service] = {slot.due, until};
  by_end_.emplace(until, slot.service);
  host_of(slot.service)
      .waiting.emplace(-passed_over_[slot.service], slot.due, static_cast<std::uint32_t>(slot.service));
  arm(host_of_[slot.service]);
}

/// It waits no more.
Slot Politeness::remove(std::size_t service) {
  const auto found = held_.find(service);
  const auto held = found->second;
  held_.erase(found);
  by_end_.erase({held.until, service});
  host_of(service).waiting.erase({-passed_over_[service], held.due, static_cast<std::uint32_t>(service)});
  return {service, held.due};
}

void Politeness::take(SteadyTime now, std::vector<Slot>& ready, std::vector<MissedSlots>& given_up) {
  while (!by_end_.empty() && by_end_.begin()->first <= now) {
    const auto slot = remove(by_end_.begin()->second);
    // Where one was taken and still waits for a place among all checks, it is that place which is missing.
    const auto reason =
        host_of(slot.service).queued > 0 ? storage::SkipReason::kPoolExhausted : storage::SkipReason::kRateLimited;
    given_up.push_back({slot.service, slot.due, slot.due, 1, reason});
    auto& passed_over = passed_over_[slot.service];
    if (passed_over < std::numeric_limits<std::uint16_t>::max()) ++passed_over;
    arm(host_of_[slot.service]);
  }
  while (!free_.empty() && free_.begin()->first <= now) take_turn(free_.begin()->second, ready);
}

void Politeness::take_turn(std::uint32_t number, std::vector<Slot>& ready) {
  Host& host = hosts_[number];
  ready.push_back(remove(std::get<2>(*host.waiting.begin())));
  ++host.running;
  ++host.queued;
  arm(number);
}

void Politeness::take_all(std::vector<Slot>& slots) {
  while (!by_end_.empty()) slots.push_back(remove(by_end_.begin()->second));
  free_.clear();
  for (auto& host : hosts_) host.armed.reset();
}

void Politeness::start_spacing(Host& host, SteadyTime now) {
  if (spacing_ > Duration{0}) host.next = (now - host.next <= kCatchUp ? host.next : now) + spacing_;
}

void Politeness::began(std::size_t service, SteadyTime now) {
  passed_over_[service] = 0;
  --host_of(service).queued;
  start_spacing(host_of(service), now);
  arm(host_of_[service]);
}

void Politeness::ended(std::size_t service) {
  --host_of(service).running;
  arm(host_of_[service]);
}

bool Politeness::admit_recheck(std::size_t service, SteadyTime now) {
  Host& host = host_of(service);
  if (!host.waiting.empty() || is_full(host) || is_pending(host) || host.next > now) return false;
  ++host.running;
  start_spacing(host, now);
  return true;
}

bool Politeness::is_crowded(std::size_t service) const {
  const auto& host = hosts_[host_of_[service]];
  return !host.waiting.empty() && is_full(host);
}

std::optional<SteadyTime> Politeness::next() const {
  std::optional<SteadyTime> soonest;
  if (!by_end_.empty()) soonest = by_end_.begin()->first;
  if (!free_.empty() && (!soonest || free_.begin()->first < *soonest)) soonest = free_.begin()->first;
  return soonest;
}

/// Keeps `free_` true after anything of a host has changed.
void Politeness::arm(std::uint32_t number) {
  Host& host = hosts_[number];
  std::optional<SteadyTime> when;
  if (!host.waiting.empty() && !is_full(host) && !is_pending(host)) when = host.next;
  if (when == host.armed) return;
  if (host.armed) free_.erase({*host.armed, number});
  if (when) free_.emplace(*when, number);
  host.armed = when;
}

}  // namespace monitor::agent
