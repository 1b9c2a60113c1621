#include <memory>

#include <CLI/App.hpp>
#include <fmt/format.h>

#include "cli/cli.h"
#include "cli/command.h"
#include "cli/edit.h"
#include "cli/paths.h"
#include "cli/reload.h"
#include "cli/service_rules.h"
#include "cli/service_settings.h"
#include "cli/views.h"
#include "common/error.h"
#include "common/text.h"

namespace monitor::cli {
namespace {

struct ShowArguments {
  std::optional<std::string> config_path;
  bool numbered = false;
};

/// The fields of a service as they were typed.
struct Fields {
  std::optional<std::string> regex, interval, timeout, name;
  ServiceSettings settings;
};

struct AddArguments : Fields {
  std::optional<std::string> config_path, url, method;
  bool check_regex = false;
  bool quiet = false;
};

struct UpdateArguments : Fields {
  std::optional<std::string> config_path, service;
  bool toggle_check_regex = false;
  bool yes = false;
};

struct RemoveArguments {
  std::optional<std::string> config_path, service;
  bool quiet = false;
  bool yes = false;
};

/// Puts what was typed into `service`; an empty text takes the regex or the name away.
void assign(const Fields& fields, probe::Service& service) {
  if (fields.regex) service.regex = fields.regex->empty() ? std::nullopt : fields.regex;
  if (fields.interval) service.interval = parse_seconds("--interval", *fields.interval);
  if (fields.timeout) service.timeout = parse_seconds("--timeout", *fields.timeout);
  if (fields.name) service.name = *fields.name;
  assign(fields.settings, service);
}

/// Asks the running monitor to reload, and, unless `quiet`, says what there is now.
void tell(Console& console, const config::Document& document, std::string_view label, std::string_view done,
          bool quiet) {
  const auto taken = ask_to_take(document.file, known_database(document));
  if (quiet) return;
  console.out << render(services_table(document, Numbers::kNone, Secrets::kMasked))
              << fmt::format("The service \"{}\" has been {}. {}\n", common::escape_controls(label), done, taken);
}

/// Finds the service that was typed, and makes sure that the one found after the question is the one asked about.
class Target {
 public:
  explicit Target(std::string typed) : typed_(std::move(typed)) {}

  std::size_t find(const config::Document& document) {
    const std::size_t index = config::find_service(document, typed_);
    const auto& service = document.services[index];
    if (key_ && *key_ != service.key()) {
      throw common::Error(fmt::format(
          "the configuration was changed by somebody else while the question was open, and {} is another service now: "
          "nothing was changed; look at `monitor config services show --numbered` and try again",
          typed_));
    }
    key_ = service.key();
    label_ = service.label();
    return index;
  }
  const std::string& label() const { return label_; }
  std::string question(std::string_view action, const std::filesystem::path& file) const {
    return fmt::format("Are you sure want to {} the service \"{}\"? Config path: {}", action,
                       common::escape_controls(label_), shown(file));
  }

 private:
  std::string typed_;
  std::optional<std::string> key_;
  std::string label_;
};

int show_services(Console& console, const ShowArguments& arguments) {
  const auto document = config::read(config_file(arguments.config_path));
  const auto numbers = arguments.numbered ? Numbers::kShown : Numbers::kNone;
  console.out << render(services_table(document, numbers, Secrets::kMasked));
  return kDone;
}

int add_service(Console& console, const AddArguments& arguments) {
  probe::Service service = base_service(arguments.settings, {});
  if (arguments.url) service.url = service.target = *arguments.url;
  if (arguments.method) service.method = *arguments.method;
  if (arguments.check_regex) service.check_regex = true;
  assign(arguments, service);
  warn_of_secrets(console, arguments.settings);
  const auto change = [&service](config::Document& document) {
    require_valid(service, document, document.services.size());
    document.services.push_back(service);
  };
  const auto document = apply(console, {config_file(arguments.config_path), change, {}}, true);
  tell(console, document, service.label(), "added", arguments.quiet);
  return kDone;
}

int update_service(Console& console, const UpdateArguments& arguments) {
  if (!arguments.regex && !arguments.interval && !arguments.timeout && !arguments.name && arguments.settings.empty() &&
      !arguments.toggle_check_regex) {
    throw common::UsageError(
        "there is nothing to update: give at least one of --toggle-check-regex, --regex, --timeout, --interval, "
        "--name, --set, --from");
  }
  const auto file = config_file(arguments.config_path);
  Target target(*arguments.service);
  const auto change = [&](config::Document& document) {
    const std::size_t index = target.find(document);
    probe::Service service = base_service(arguments.settings, document.services[index]);
    assign(arguments, service);
    if (arguments.toggle_check_regex) service.check_regex = !service.check_regex;
    require_valid(service, document, index);
    document.services[index] = std::move(service);
  };
  const auto question = [&] {
    warn_of_secrets(console, arguments.settings);
    return target.question("update", file);
  };
  const auto document = apply(console, {file, change, question}, arguments.yes);
  tell(console, document, target.label(), "updated", false);
  return kDone;
}

int remove_service(Console& console, const RemoveArguments& arguments) {
  const auto file = config_file(arguments.config_path);
  Target target(*arguments.service);
  const auto change = [&](config::Document& document) {
    document.services.erase(document.services.begin() + static_cast<std::ptrdiff_t>(target.find(document)));
  };
  const auto question = [&] { return target.question("remove", file); };
  const auto document = apply(console, {file, change, question}, arguments.yes);
  tell(console, document, target.label(), "removed", arguments.quiet);
  return kDone;
}

void add_fields(CLI::App& command, Fields& fields, bool is_new) {
  const auto text = [is_new](const char* what, const char* standard, const char* removal) {
    return fmt::format("{}{}", what, is_new ? standard : removal);
  };
  add_text(command, "--regex", fields.regex, "TEXT",
           text("Regexp to look for in the response body (RE2 syntax).", "", " An empty text removes it."));
  add_text(command, "--timeout", fields.timeout, "INTEGER",
           text("Seconds until a check that has not ended has failed, 1 to 300.", " Default: 15", ""));
  add_text(command, "--interval", fields.interval, "INTEGER",
           text("Interval in seconds between requests. Must be between 5 and 300, unless `interval_limits` in the "
                "file says otherwise.",
                " Default: 5", ""));
  add_text(command, "--name", fields.name, "TEXT",
           text("A name to address the service by; not all digits.", "", " An empty text removes it."));
  add_service_settings(command, fields.settings);
}

void define_show(CLI::App& services, Choice& choice) {
  CLI::App& command = add_command(services, "show", "Show the services.",
                                  "monitor config services show\n"
                                  "monitor config services show --numbered");
  const auto arguments = std::make_shared<ShowArguments>();
  add_switch(command, "--numbered", arguments->numbered,
             "Show the number of each service, which `update` and `remove` take.");
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, show_services);
}

void define_add(CLI::App& services, Choice& choice) {
  CLI::App& command =
      add_command(services, "add", "Add a service to the configuration.",
                  "monitor config services add http://localhost:8000/ GET\n"
                  "monitor config services add https://example.org/health GET --name web --interval 30\n"
                  "monitor config services add https://example.org/ GET --set expect.status=2xx --set tls.min=1.3\n"
                  "monitor config services add --from service.yaml\n"
                  "monitor config services add http://localhost:8000/openapi.json GET \\\n"
                  "    --regex '\\{\"openapi\":\"3\\.1\\.0\"' --check-regex");
  const auto arguments = std::make_shared<AddArguments>();
  add_text(command, "URL", arguments->url, "TEXT",
           "What to request; it starts with http:// or https://. Needed unless --from says it");
  add_text(command, "METHOD", arguments->method, "TEXT",
           "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS (or OPTION) or TRACE. Needed unless --from says it");
  // CLI11 cannot say that an argument is required unless an option is given.
  command.parse_complete_callback([arguments] {
    if (arguments->settings.from) return;
    if (!arguments->url) throw CLI::RequiredError("URL");
    if (!arguments->method) throw CLI::RequiredError("METHOD");
  });
  add_switch(command, "--check-regex", arguments->check_regex,
             "The service is up only if the response body matches the regexp.");
  add_fields(command, *arguments, true);
  add_switch(command, "-q,--quiet", arguments->quiet, "Print neither the table nor the sentence.");
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, add_service);
}

constexpr const char* kHowToAddress =
    "\nTo get a number, run `monitor config services show --numbered`. Numbers follow the order of that table and may "
    "change with every change of the configuration; names stay.";

void define_update(CLI::App& services, Choice& choice) {
  CLI::App& command = add_command(
      services, "update", std::string("Update the service under NUMBER or NAME in the configuration.") + kHowToAddress,
      "monitor config services update 1 --interval 60\n"
      "monitor config services update web --set expect.warn_time=500ms --set 'expect.body_not=[error]'\n"
      "monitor config services update web --set expect=\n"
      "monitor config services update web --toggle-check-regex --yes");
  const auto arguments = std::make_shared<UpdateArguments>();
  add_text(command, "NUMBER|NAME", arguments->service, "TEXT", "Which service").required();
  add_switch(command, "--toggle-check-regex", arguments->toggle_check_regex, "Toggle regex checking mode.");
  add_fields(command, *arguments, false);
  add_yes(command, arguments->yes, "Update without a confirmation prompt.");
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, update_service);
}

void define_remove(CLI::App& services, Choice& choice) {
  CLI::App& command = add_command(
      services, "remove", std::string("Remove the service under NUMBER or NAME in the configuration.") + kHowToAddress,
      "monitor config services remove 0\n"
      "monitor config services remove web --yes --quiet");
  const auto arguments = std::make_shared<RemoveArguments>();
  add_text(command, "NUMBER|NAME", arguments->service, "TEXT", "Which service").required();
  add_switch(command, "-q,--quiet", arguments->quiet, "Print neither the table nor the sentence.");
  add_yes(command, arguments->yes, "Remove without a confirmation prompt.");
  add_config_path(command, arguments->config_path);
  choose(command, choice, arguments, remove_service);
}

}  // namespace

void add_services_commands(CLI::App& config, Choice& choice) {
  CLI::App& services = add_group(config, "services", "Show, add, update and remove the monitored services.");
  define_show(services, choice);
  define_add(services, choice);
  define_update(services, choice);
  define_remove(services, choice);
}

}  // namespace monitor::cli
