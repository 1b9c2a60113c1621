// Why a connection, or a part of it, did not come about: an outcome and a sentence. Plain data, pure functions.
#pragma once

#include <chrono>
#include <string>

#include "common/outcome.h"

namespace monitor::net {

/// Data, not an exception: a check that fails here has done its work. The sentence names host and port at most.
struct Failure {
  common::Outcome outcome = common::Outcome::kLocalResource;
  std::string reason;
};

/// Whether an errno means that we ran out of something, or are not allowed to: our own fault, not the server's.
bool is_local_fault(int error_number);

/// `5.0 s`, `0.3 s`: how long something was waited for.
std::string waited(std::chrono::steady_clock::duration duration);

}  // namespace monitor::net
