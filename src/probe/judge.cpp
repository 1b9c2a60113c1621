#include "probe/judge.h"

#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/units.h"

namespace monitor::probe {
namespace {

using common::Micros;
using common::Outcome;
using std::chrono::milliseconds;

/// `812 ms`, `1.5 s`, `2 s`: what is not whole milliseconds is told in microseconds.
std::string shown(Micros time) {
  constexpr Micros kMillisecond{1000}, kSecond{1'000'000};
  if (time % kMillisecond != Micros::zero()) return fmt::format("{} µs", time.count());
  if (time < kSecond) return fmt::format("{} ms", time / kMillisecond);
  return fmt::format("{} s", std::chrono::duration<double>(time).count());
}

/// Rounded so that it is still seen to be above `limit`.
std::string shown_above(Micros time, Micros limit) {
  if (limit % milliseconds{1} != Micros::zero()) return fmt::format("{} µs", time.count());
  return shown(std::chrono::ceil<milliseconds>(time));
}

std::string status_sentence(std::uint16_t status, const std::vector<StatusRange>& ranges) {
  if (ranges.empty()) return fmt::format("status {} is outside 200-399", status);
  std::vector<std::string> allowed;
  allowed.reserve(ranges.size());
  for (const auto& [from, to] : ranges) {
    allowed.push_back(from == to ? fmt::format("{}", from) : fmt::format("{}-{}", from, to));
  }
  if (allowed.size() == 1) return fmt::format("status {} is not {}", status, allowed.front());
  return fmt::format("status {} is not one of {}", status, fmt::join(allowed, ", "));
}

void judge_times(const Facts& facts, const Expect& expect, Breaches& down) {
  struct Limit {
    std::string_view what, name;
    std::optional<Micros> time, most;
  };
  const std::array limits{
      Limit{"the check", "max_time", facts.total, expect.max_time},
      Limit{"the DNS lookup", "max_phase.dns", facts.phases.dns, expect.max_dns},
      Limit{"the connection", "max_phase.connect", facts.phases.connect, expect.max_connect},
      Limit{"the TLS handshake", "max_phase.tls", facts.phases.tls, expect.max_tls},
      Limit{"the first byte", "max_phase.first_byte", facts.phases.first_byte, expect.max_first_byte},
      Limit{"the transfer", "max_phase.transfer", facts.phases.transfer, expect.max_transfer},
  };
  for (const auto& limit : limits) {
    if (!limit.time || !limit.most || *limit.time <= *limit.most) continue;
    down.add(Outcome::kTooSlow, [&] {
      return fmt::format("{} took {}, above {} of {}", limit.what, shown_above(*limit.time, *limit.most), limit.name,
                         shown(*limit.most));
    });
  }
}

void judge_tls_version(const Facts& facts, const Expect& expect, Breaches& down) {
  if (!expect.tls_min) return;
  const std::string_view had = facts.tls == nullptr ? std::string_view{} : facts.tls->version;
  const bool only_13 = *expect.tls_min == net::TlsVersion::k13;
  if (had == "TLSv1.3" || (had == "TLSv1.2" && !only_13)) return;
  down.add(Outcome::kTlsVersion, [&] {
    return fmt::format("the connection is {}, below tls_min of TLSv1.{}", had.empty() ? "not TLS" : had,
                       only_13 ? 3 : 2);
  });
}

std::string expiry_sentence(const Facts& facts, int days) {
  if (facts.tls == nullptr || !facts.tls->has_certificate) {
    return fmt::format("there is no certificate to be valid for {} days: the connection is not TLS", days);
  }
  const auto end = facts.tls->certificate.not_after;
  const auto when = common::format_time(end).substr(0, std::string_view{"2024-04-22 12:35:30"}.size());
  if (end <= facts.now) return fmt::format("the certificate expired on {} UTC", when);
  const auto left = std::chrono::floor<std::chrono::days>(end - facts.now).count();
  return fmt::format("the certificate expires in {} {}, on {} UTC: cert_days asks for {}", left,
                     left == 1 ? "day" : "days", when, days);
}

void judge_certificate(const Facts& facts, const Expect& expect, Breaches& degraded) {
  if (!expect.cert_days) return;
  const bool has = facts.tls != nullptr && facts.tls->has_certificate;
  if (has && facts.tls->certificate.not_after >= facts.now + std::chrono::days{*expect.cert_days}) return;
  degraded.add(Outcome::kCertExpiresSoon, [&] { return expiry_sentence(facts, *expect.cert_days); });
}

void take(Breaches& into, const Breaches& from) {
  if (into.count == 0) into.first = from.first;
  into.count += from.count;
}

Judgement conclude(Breaches& breaches) {
  if (breaches.count > 1) breaches.first.reason += fmt::format(" (and {} more)", breaches.count - 1);
  return std::move(breaches.first);
}

}  // namespace

Judgement judge(const Facts& facts, const Expectations& expectations) {
  const auto& expect = expectations.expect();
  Breaches down;
  if (!expectations.allows_status(facts.status)) {
    down.add(Outcome::kStatus, [&] { return status_sentence(facts.status, expect.status); });
  }
  if (facts.findings != nullptr) {
    take(down, facts.findings->headers);
    take(down, facts.findings->body);
  }
  judge_times(facts, expect, down);
  judge_tls_version(facts, expect, down);
  if (down.count > 0) return conclude(down);

  Breaches degraded;
  judge_certificate(facts, expect, degraded);
  if (expect.warn_time && facts.total > *expect.warn_time) {
    degraded.add(Outcome::kDegraded, [&] {
      return fmt::format("the check took {}, above warn_time of {}", shown_above(facts.total, *expect.warn_time),
                         shown(*expect.warn_time));
    });
  }
  return conclude(degraded);
}

}  // namespace monitor::probe
