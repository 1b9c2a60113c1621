// A change of the configuration file: tried first, then asked about, then saved.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "cli/console.h"
#include "config/document.h"

namespace monitor::cli {

struct Edit {
  std::filesystem::path file;
  /// Changes the document or throws common::UsageError. Called twice: on what is there before the question, and under
  /// the file's lock after it.
  std::function<void(config::Document&)> change;
  /// What is asked once the change is known to be possible. Unset: nothing is asked.
  std::function<std::string()> question;
};

/// The saved document. Says before the question, on `console.err`, when hand-written comments will be lost. Throws
/// Aborted, or what `change` and config::update throw; then the file is as it was.
config::Document apply(Console& console, const Edit& edit, bool yes);

}  // namespace monitor::cli
