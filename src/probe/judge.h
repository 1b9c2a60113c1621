// Whether a complete response meets what the service expects. Pure.
#pragma once

#include <cstdint>

#include "common/units.h"
#include "net/tls_facts.h"
#include "probe/expectations.h"
#include "probe/hops.h"
#include "probe/inspect.h"
#include "probe/judgement.h"

namespace monitor::probe {

/// What there is to judge. What it refers to must outlive the call alone.
struct Facts {
  std::uint16_t status = 0;
  const Findings* findings = nullptr;  ///< of inspect(); null when nothing was asked of headers and body
  Phases phases;                       ///< of the whole check
  common::Micros total{};
  const net::TlsFacts* tls = nullptr;  ///< of the last connection; null: it was not TLS
  common::WallTime now{};              ///< against which the certificate's end is held
};

/// The first rule broken names the outcome, in this order: status, header fields, body, times, TLS version; and when
/// none of these is, what makes the response degraded: the certificate's days, warn_time. The sentence says what was
/// expected and what was had, and ` (and 2 more)` when other rules of the same verdict are broken too. Allocates
/// nothing when all is well.
Judgement judge(const Facts& facts, const Expectations& expectations);

}  // namespace monitor::probe
