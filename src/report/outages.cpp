#include "report/outages.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

namespace monitor::report {
namespace {

std::string outcome_name(std::uint8_t outcome) {
  return std::string(common::name_of(static_cast<common::Outcome>(outcome)));
}

void insert(std::vector<Outage>& longest, Outage outage) {
  const auto place = std::ranges::upper_bound(longest, outage.length, std::greater{}, &Outage::length);
  longest.insert(place, std::move(outage));
  if (longest.size() > kLongestOutages) longest.pop_back();
}

}  // namespace

common::Micros longest_silence(std::chrono::seconds interval) {
  return std::max<common::Micros>(std::chrono::hours{2}, 2 * interval);
}

void Outages::add(common::WallTime at, std::uint8_t outcome, std::string_view reason) {
  const auto verdict = common::verdict_of(static_cast<common::Outcome>(outcome));
  if (verdict == common::Verdict::kUnknown) return;
  if (verdict != common::Verdict::kDown) return end(at);
  if (!open_) {
    open_ = Outage{.from = std::max(at, from_), .outcome = outcome_name(outcome), .reason = std::string(reason)};
  }
  ++open_->checks;
  open_->length = std::max(open_->length, at - open_->from);
}

void Outages::add(const storage::Outage& outage) {
  const auto until = outage.to.value_or(outage.last);
  if (open_) {  // the same one, in pieces
    open_->checks += outage.checks;
    open_->length = std::max(open_->length, until - open_->from);
  } else {
    const auto from = std::max(outage.from, from_);
    open_ = Outage{.from = from,
                   .length = std::max(until - from, common::Micros{}),
                   .checks = outage.checks,
                   .outcome = outcome_name(static_cast<std::uint8_t>(outage.outcome)),
                   .reason = outage.reason};
  }
  if (outage.to) end(*outage.to);
}

void Outages::end(common::WallTime at) {
  if (!open_) return;
  open_->to = at;
  open_->length = std::max(at - open_->from, common::Micros{});
  keep(*std::exchange(open_, std::nullopt));
}

void Outages::lose_sight(common::WallTime moment) {
  if (open_ && open_->from + open_->length < moment) open_->watched = false;
}

void Outages::keep(Outage outage) {
  if (outage.to && *outage.to < from_) return;
  ++count_;
  length_ += outage.length;
  insert(longest_, std::move(outage));
}

void Outages::merge(const Outages& other) {
  count_ += other.count();
  length_ += other.length();
  for (const auto& outage : other.longest()) insert(longest_, outage);
}

common::Micros Outages::length() const {
  return length_ + (open_ ? open_->length : common::Micros{});
}

std::vector<Outage> Outages::longest() const {
  auto longest = longest_;
  if (open_) insert(longest, *open_);
  return longest;
}

}  // namespace monitor::report
