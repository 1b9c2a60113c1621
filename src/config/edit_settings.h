// A service that is typed on the command line: `--set PATH=VALUE`, `--from FILE`, and what one check needs of it. Any
// one thread at a time.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.h"
#include "probe/options.h"

namespace monitor::config {

/// Gives the key at `path` a value: `expect.status`, `headers.X-Env` (all behind `headers.` is the field's name),
/// `tls.verify`, or one of the predecessor's keys (`interval_sec`, `regex` …). A value in `[…]` or `{…}` is a list or a
/// mapping in YAML's flow form or JSON, any other a scalar; `body`, `connect_to`, `resolver` and what is in `auth` are
/// always text. What was there is replaced. An empty value removes the key with all below it. Throws
/// common::UsageError, `--set PATH: sentence`, if the path is unknown or the value breaks a rule of its own; what the
/// keys of a service must keep together is judged when it is saved or loaded.
void set(probe::Service& service, std::string_view path, std::string_view value);

/// Whether the value at `path` is a secret, so that it is better not typed on a command line: a password, a token, a
/// header such as Authorization.
bool is_secret(std::string_view path);

/// The one service that `file` describes, in the form of an item of `services` (YAML, or JSON if it starts with `{`),
/// as it is typed. Throws common::UsageError: one line per fault, `FILE:LINE:COLUMN: sentence`.
probe::Service read_service_file(const std::filesystem::path& file);

/// A service that is ready to be checked.
struct ReadyService {
  probe::Service service;             ///< every `${NAME}` expanded, every file read, `target` and `extra` filled
  std::vector<std::string> warnings;  ///< sentences for the operator
};

/// Expands `typed`, one of document.services or one made with set() and read_service_file(). `format` says whether
/// `${NAME}` stands for a variable (YAML) or for itself (JSON); files are looked for beside `file`: the document's own
/// file, or any file of the folder that relative names start from. Its interval may be anything from 1 s to 1 d. Throws
/// common::UsageError with one line per fault, `LABEL: sentence`.
ReadyService load_one(const probe::Service& typed, Format format, const std::filesystem::path& file);

}  // namespace monitor::config
