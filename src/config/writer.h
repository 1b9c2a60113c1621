// Writes a document as the text of a configuration file. Pure.
#pragma once

#include <string>

#include "config/document.h"

namespace monitor::config {

/// In the document's own format, services as they stand; reading it back gives the same document.
std::string to_text(const Document& document);

}  // namespace monitor::config
