// What goes wrong, as a sentence for the operator: what was attempted, on what, why it failed, what to do.
#pragma once

#include <stdexcept>
#include <string>

namespace monitor::common {

/// A failure at run time; a command that ends with it exits with status 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Wrong usage or configuration; a command that ends with it exits with status 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// `strerror` for `number`, safe to call from any thread.
std::string errno_text(int number);

}  // namespace monitor::common
