// What one check came to, for a person at a terminal and for a program. Pure.
#pragma once

#include <string>

#include "app/one_check.h"
#include "cli/look.h"
#include "probe/options.h"

namespace monitor::cli {

/// The requests, the phases as a bar chart, TLS and certificate, the body's size, verdict, outcome and reason. Nothing
/// that a server sent reaches the terminal unescaped.
std::string check_page(const probe::Service& service, const app::OneCheck& check, const Look& look);

/// One JSON object in one line. Members have the names of the columns of the view `monitoring`, where it has them; null
/// where there is nothing to tell. Members are only ever added.
std::string check_json(const probe::Service& service, const app::OneCheck& check);

}  // namespace monitor::cli
