// What `monitor verify` found, for a person and for a program. Pure.
#pragma once

#include <string>

#include "report/verify.h"

namespace monitor::cli {

/// Tables, then sentences.
std::string verify_tables(const report::Verification& verification);
/// One object, with one agent per line.
std::string verify_json(const report::Verification& verification);

}  // namespace monitor::cli
