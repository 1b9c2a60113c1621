#include "config/writer.h"

#include <algorithm>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>
#include <yaml-cpp/emitter.h>

#include "common/units.h"
#include "config/reader.h"
#include "config/scalar.h"
#include "config/settings_text.h"

namespace monitor::config {
namespace {

class YamlSink {
 public:
  void begin_map() { out_ << YAML::BeginMap; }
  void end_map() { out_ << YAML::EndMap; }
  void begin_list(bool empty) {
    if (empty) out_ << YAML::Flow;  // `[]` on the line of its key
    out_ << YAML::BeginSeq;
  }
  void end_list() { out_ << YAML::EndSeq; }
  void key(const std::string& name) {
    out_ << YAML::Key;
    text(name);
    out_ << YAML::Value;
  }
  void null() { out_ << YAML::Null; }
  void boolean(bool value) { out_ << value; }
  void integer(std::int64_t value) { out_ << value; }
  void number(const std::string& text) { plain(text); }
  void measure(const std::string& text) { is_plain_measure(text) ? plain(text) : this->text(text); }

  void text(const std::string& text) {
    const auto printable = [](char c) {
      return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7F;
    };
    if (is_safe_plain(text) || (is_plain_measure(text) && !is_number_or_boolean(text))) {
      plain(text);
    } else {
      const bool single = std::all_of(text.begin(), text.end(), printable);
      out_ << (single ? YAML::SingleQuoted : YAML::DoubleQuoted) << text;
    }
  }

  std::string result() const { return std::string(out_.c_str(), out_.size()) + '\n'; }

 private:
  void plain(const std::string& text) { out_ << text; }

  YAML::Emitter out_;
};

class JsonSink {
 public:
  void begin_map() { begin('{'); }
  void end_map() { end('}'); }
  void begin_list(bool) { begin('['); }
  void end_list() { end(']'); }
  void key(const std::string& name) {
    item();
    out_ += json_string(name) + ": ";
    after_key_ = true;
  }
  void null() { value("null"); }
  void boolean(bool value_is) { value(value_is ? "true" : "false"); }
  void integer(std::int64_t number) { value(std::to_string(number)); }
  void number(const std::string& text) { value(text); }
  void measure(const std::string& text) { this->text(text); }
  void text(const std::string& text) { value(json_string(text)); }

  std::string result() const { return out_ + '\n'; }

 private:
  void begin(char bracket) {
    value(std::string_view(&bracket, 1));
    ++depth_;
    first_ = true;
  }
  void end(char bracket) {
    --depth_;
    if (!first_) new_line();
    out_ += bracket;
    first_ = false;
  }
  void value(std::string_view text) {
    if (!after_key_) item();
    out_ += text;
    after_key_ = false;
  }
  void item() {
    if (depth_ == 0) return;
    if (!first_) out_ += ',';
    first_ = false;
    new_line();
  }
  void new_line() { out_.append("\n").append(2 * depth_, ' '); }

  std::string out_;
  std::size_t depth_ = 0;
  bool first_ = true;
  bool after_key_ = false;
};

/// What no two readers can take for different sizes: a unit only where it is exact.
std::string size_text(std::uint64_t bytes) {
  auto text = common::format_size(bytes);
  return common::parse_size(text) == bytes ? text : std::to_string(bytes);
}

template <typename Sink>
void write_node(const Tree& tree, Tree::Index node, Sink& sink) {
  const std::string text(tree.text(node));
  switch (tree.kind(node)) {
    case Kind::kMap:
      sink.begin_map();
      for (auto key = Tree::first(node); key != tree.after(node); key = tree.after(key + 1)) {
        sink.key(std::string(tree.text(key)));
        write_node(tree, key + 1, sink);
      }
      return sink.end_map();
    case Kind::kList:
      sink.begin_list(Tree::first(node) == tree.after(node));
      for (auto item = Tree::first(node); item != tree.after(node); item = tree.after(item)) {
        write_node(tree, item, sink);
      }
      return sink.end_list();
    case Kind::kPlain:
      return is_json_number(text) ? sink.number(text) : sink.boolean(text == "true");
    case Kind::kText:
      return sink.text(text);
    default:
      return sink.null();
  }
}

/// The keys of probe::Service::settings, each as one of the service's.
template <typename Sink>
void write_settings(const std::string& settings, Sink& sink) {
  if (settings.empty()) return;
  Tree tree(settings);
  Faults faults;
  if (!read_json(tree, faults)) throw std::logic_error("the settings of a service are no JSON");
  for (auto key = Tree::first(Tree::kRoot); key != tree.after(Tree::kRoot); key = tree.after(key + 1)) {
    sink.key(std::string(tree.text(key)));
    write_node(tree, key + 1, sink);
  }
}

template <typename Sink>
void write_service(const probe::Service& service, bool json, Sink& sink) {
  sink.begin_map();
  if (!service.name.empty()) {
    sink.key("name");
    sink.text(service.name);
  }
  sink.key("url");
  sink.text(service.url);
  sink.key("method");
  sink.text(service.method);
  if (json || service.check_regex) {  // the predecessor has all of its keys in each service
    sink.key("check_regex");
    sink.boolean(service.check_regex);
  }
  if (json || service.regex) {
    sink.key("regex");
    service.regex ? sink.text(*service.regex) : sink.null();
  }
  sink.key("interval_sec");
  sink.integer(service.interval.count());
  sink.key("timeout");
  sink.integer(service.timeout.count());
  if (service.body_limit != probe::kDefaultBodyLimit) {
    sink.key("body_limit");
    sink.measure(size_text(service.body_limit));
  }
  write_settings(service.settings, sink);
  sink.end_map();
}

template <typename Sink>
void write_text(const char* key, const std::optional<std::string>& text, Sink& sink) {
  if (!text) return;
  sink.key(key);
  sink.text(*text);
}

template <typename Sink>
void write_measure(const char* key, const std::optional<std::string>& text, Sink& sink) {
  if (!text) return;
  sink.key(key);
  sink.measure(*text);
}

template <typename Sink>
void write_boolean(const char* key, const std::optional<bool>& value, Sink& sink) {
  if (!value) return;
  sink.key(key);
  sink.boolean(*value);
}

template <typename Sink>
void write_workers(const Document& document, Sink& sink) {
  if (!document.worker_agent && !document.worker_exporter && !document.worker_collector) return;
  sink.key("workers");
  sink.begin_map();
  write_boolean("agent", document.worker_agent, sink);
  write_boolean("exporter", document.worker_exporter, sink);
  write_boolean("collector", document.worker_collector, sink);
  sink.end_map();
}

std::string tenths_text(int tenths) {
  constexpr int kTenths = 10;
  if (tenths % kTenths == 0) return fmt::format("{}", tenths / kTenths);
  return fmt::format("{}.{}", tenths / kTenths, tenths % kTenths);
}

template <typename Sink>
void write_host_limits(const Document& document, Sink& sink) {
  const auto [concurrency, rate, denied] = document.limits.value_or(HostLimits{});
  if (!concurrency && !rate && denied.empty()) return;
  sink.key("limits");
  sink.begin_map();
  if (concurrency) {
    sink.key("per_host_concurrency");
    sink.integer(*concurrency);
  }
  if (rate) {
    sink.key("per_host_rate");
    sink.number(tenths_text(*rate));
  }
  if (!denied.empty()) {
    sink.key("deny_networks");
    sink.begin_list(false);
    for (const auto& network : denied) sink.text(network);
    sink.end_list();
  }
  sink.end_map();
}

template <typename Sink>
void write_limits(const Document& document, Sink& sink) {
  if (!document.interval_limits) return;
  sink.key("interval_limits");
  sink.begin_map();
  sink.key("min");
  sink.integer(document.interval_limits->min.count());
  sink.key("max");
  sink.integer(document.interval_limits->max.count());
  sink.end_map();
}

template <typename Sink>
void write_rollups(const Document& document, Sink& sink) {
  if (!document.rollups) return;
  sink.key("rollups");
  sink.begin_map();
  write_measure("hours", document.rollups->hours, sink);
  write_measure("days", document.rollups->days, sink);
  sink.end_map();
}

template <typename Sink>
std::string written(const Document& document, Sink sink) {
  const bool json = document.format == Format::kJson;
  sink.begin_map();
  if (!document.local_database_path.empty()) {
    sink.key("local_database_path");
    sink.text(document.local_database_path);
  }
  write_text("external_database_uri", document.external_database_uri, sink);
  write_text("external_database_uri_file", document.external_database_uri_file, sink);
  write_limits(document, sink);
  write_host_limits(document, sink);
  write_workers(document, sink);
  write_measure("keep_exported", document.keep_exported, sink);
  write_measure("local_retention", document.local_retention, sink);
  write_measure("local_max_size", document.local_max_size, sink);
  write_measure("remote_retention", document.remote_retention, sink);
  write_rollups(document, sink);
  write_measure("stop_grace", document.stop_grace, sink);
  write_text("dns_cache", document.dns_cache, sink);
  write_boolean("watch_config", document.watch_config, sink);
  if (json || !document.services.empty() || document.local_database_path.empty()) {  // never `{}`, which would be JSON
    sink.key("services");
    sink.begin_list(document.services.empty());
    for (const auto& service : document.services) write_service(service, json, sink);
    sink.end_list();
  }
  sink.end_map();
  return sink.result();
}

}  // namespace

std::string to_text(const Document& document) {
  if (document.format == Format::kJson) return written(document, JsonSink());
  return document.opening_comment + written(document, YamlSink());
}

}  // namespace monitor::config
