#include "cli/edit.h"

#include <fmt/format.h>

#include "cli/paths.h"
#include "cli/prompt.h"

namespace monitor::cli {

config::Document apply(Console& console, const Edit& edit, bool yes) {
  config::Document trial = config::read(edit.file);
  const bool has_comments = trial.has_comments;
  edit.change(trial);
  if (edit.question) config::require_valid(trial);  // what is asked about can be done
  if (has_comments) {
    console.err << fmt::format("monitor: the hand-written comments of {} will be lost: it is written anew\n",
                               shown(edit.file))
                << std::flush;
  }
  if (edit.question) confirm(console, edit.question(), yes);
  return config::update(edit.file, edit.change);
}

}  // namespace monitor::cli
