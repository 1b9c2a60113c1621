// What of a service's URL the operator typed, and what `${NAME}` or a password put into it. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "probe/options.h"

namespace monitor::probe {

/// Host and port as typed; empty where no `${NAME}` is in them.
std::string typed_authority(const Service& service);

/// What each `${NAME}` of `typed` became in `expanded`; where that cannot be told, all of it from there to the end.
std::vector<std::string> expanded_values(std::string_view typed, std::string_view expanded);

/// The password of the service's URL, and what each `${NAME}` in the URL became.
std::vector<std::string> typed_secrets(const Service& service);

}  // namespace monitor::probe
