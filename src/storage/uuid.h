// Random identifiers. Any thread.
#pragma once

#include <string>

namespace monitor::storage {

/// A random UUID (RFC 4122 §4.4, version 4), lower case, from the kernel's generator. Throws common::Error.
std::string make_uuid();

}  // namespace monitor::storage
