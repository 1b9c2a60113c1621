#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config_files.h"
#include "config/document.h"
#include "config/edit_settings.h"
#include "config/writer.h"
#include "support/temp_dir.h"

namespace monitor::config {
namespace {

/// Everything a document says, in an unambiguous form of its own.
std::string everything(const Document& document) {
  const auto text = [](const std::optional<std::string>& value) {
    return value ? fmt::format("<{}:{}>", value->size(), *value) : std::string("none");
  };
  const auto boolean = [](const std::optional<bool>& value) { return value ? (*value ? "true" : "false") : "none"; };
  const auto& limits = document.interval_limits;
  std::string out = fmt::format(
      "{} {} {} {} {} {} {} {} {} {} {} {} {}\n", text(document.local_database_path),
      text(document.external_database_uri), text(document.external_database_uri_file), limits ? limits->min.count() : 0,
      limits ? limits->max.count() : 0, boolean(document.worker_agent), boolean(document.worker_exporter),
      boolean(document.worker_collector), text(document.keep_exported), text(document.local_retention),
      text(document.local_max_size), text(document.remote_retention), text(document.stop_grace));
  const auto hosts = document.limits.value_or(HostLimits{});
  const auto ages = document.rollups.value_or(RollupAges{});
  out += fmt::format("{} {} {} {} {} {} {}\n", text(document.dns_cache), boolean(document.watch_config),
                     hosts.concurrency.value_or(-1), hosts.rate_tenths.value_or(-1), document.rollups.has_value(),
                     text(ages.hours), text(ages.days));
  for (const auto& service : document.services) {
    out += fmt::format("{} {} {} {} {} {} {} {} {}\n", text(service.name), text(service.url), service.method,
                       service.check_regex, text(service.regex), service.interval.count(), service.timeout.count(),
                       service.body_limit, service.settings);
  }
  return out;
}

class RoundTrip : public testing::TestWithParam<Format> {
 protected:
  Document again(const Document& document) { return read(test::write_file(folder_ / "config", to_text(document))); }
  Document with_text(const std::string& text) const {
    Document document;
    document.format = GetParam();
    document.external_database_uri_file = text;
    return document;
  }

  monitor::test::TempDir folder_;
};

TEST_P(RoundTrip, KeepsTextThatOtherReadersTakeForSomethingElse) {
  for (const std::string text :
       {"yes",    "no",     "on",   "off",      "true",       "True",    "FALSE",      "null",      "Null",   "~",
        "y",      "N",      "1",    "1.0",      "-1",         "+1",      "1e5",        "0x1f",      "0o17",   "1:30",
        ".inf",   "-.INF",  ".nan", ".",        "-",          "- a",     "a: b",       "a:",        ":a",     "a #b",
        "#a",     "@a",     "`a",   "!a",       "&a",         "*a",      "%a",         "|",         ">a",     "a]",
        "{a}",    "a,b",    "'",    "''",       "\"",         "a'b\"c",  "\\\\",       "\\n",       " a",     "a ",
        "  ",     "\n",     "a\n",  "\na",      "a\n\nb",     "a\n b\n", "\t",         "a\tb",      "\r\n",   "\r",
        "---",    "...",    "<<",   "=",        "2024-04-22", "żółć",    "😀",         "\u00a0",    "\u0085", "\u2028",
        "\ufeff", "\u007f", "\x01", "\x1b[31m", "\u0080",     "\u009f",  "\U0010fffd", "\ufffd",    "$${x}",  "x\\",
        "//",     "/ /",    "? a",  "{}",       "a{2}",       "\u200b",  "e\u0301",    "\\x{1F600}"}) {
    const auto document = with_text(text);
    Document read_back;
    EXPECT_EQ(test::error_of([&] { read_back = again(document); }), "nothing was thrown") << text;
    EXPECT_EQ(everything(read_back), everything(document)) << to_text(document);
    EXPECT_FALSE(read_back.has_comments) << text;
  }
}

/// Random documents that keep every rule.
class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}

  std::size_t below(std::size_t limit) { return engine_() % limit; }
  bool coin() { return below(2) == 0; }

  template <typename... Choices>
  std::string one_of(Choices... choices) {
    const std::array<std::string, sizeof...(choices)> all{choices...};
    return all[below(all.size())];
  }

  /// Any characters but NUL and those that mean something in a regular expression or to `${NAME}`.
  std::string text() {
    std::string out;
    for (std::size_t i = 1 + below(12); i > 0; --i) {
      const auto character =
          one_of("a", "Z", "0", "9", " ", "  ", ":", ": ", "#", " #", "'", "\"", "\n", "\n  ", "\t", "\r", "-", "- ",
                 ",", "&", "!", "%", "@", "`", "<", ">", "=", "/", "~", "_", "yes", "null", "1.0", "ż", "☃", "😀",
                 "\u0085", "\u2029", "\ufeff", "\x7f", "\x02", "]", "}");
      out += character;
    }
    return out;
  }

  std::optional<std::string> maybe(std::string text) {
    return coin() ? std::optional<std::string>(std::move(text)) : std::nullopt;
  }
  std::optional<bool> maybe_boolean() { return coin() ? std::optional<bool>(coin()) : std::nullopt; }

  /// Any of them fits any other, and any service.
  void add_setting(probe::Service& service) {
    struct Setting {
      const char* path;
      std::vector<std::string> values;
    };
    static const std::vector<Setting> kSettings{
        {"headers.X-Any", {"yes", "1.0", "'a'", "a: b #c", "żółć", "- x", "~", "\"\\", "{file: 'a b'}", "null"}},
        {"headers.123", {"0x1f", "true", "2s"}},
        {"headers.!#$%&*+.^_`|~", {"a", " "}},
        {"body", {"a\nb\n", "{\"a\": [1, 2]}", "\t", "yes", " a ", "😀\u0085", "0", "---"}},
        {"auth.basic", {"{user: u, password: '0123'}", "{user: '', password_file: x/y}"}},
        {"redirects.max", {"1", "20"}},
        {"family", {"any"}},
        {"resolver", {"127.0.0.1", "[::1]:53"}},
        {"connection", {"fresh", "reuse"}},
        {"compression", {"true", "false"}},
        {"expect.status", {"200", "2xx", "[2xx, 301-303, 404]"}},
        {"expect.headers", {"{Content-Type: '^text/html', X: true, Y: [a, 'b: #']}"}},
        {"expect.headers_not", {"{}", "{Server: true}"}},
        {"expect.max_time", {"2", "2.50", "500ms", "2s"}},
        {"expect.max_phase", {"{dns: 100ms, transfer: 1}"}},
        {"evidence", {"none", "{bytes: 4 KiB, redact: ['a b', c]}", "{bytes: 0}", "{redact: []}"}},
        {"recheck", {"{times: 2, every: 5}"}},
    };
    const auto& setting = kSettings[below(kSettings.size())];
    const auto& value = setting.values[below(setting.values.size())];
    set(service, setting.path, value);
  }

  probe::Service service(std::size_t number) {
    probe::Service out;
    if (coin()) out.name = fmt::format("n{} {}", number, one_of("yes", "ż #", "a: b", "'", "\"x\"", "- ", "~"));
    out.url = fmt::format("http{}://{}.example/{}{}", coin() ? "s" : "", number,
                          one_of("", "a b", "ż", "?a[]=1", "#x", "'", "\""), one_of("", "${X}", "$${"));
    out.method = one_of("GET", "HEAD", "POST", "OPTION", "OPTIONS");
    out.regex = maybe(text());
    out.check_regex = out.regex && coin();
    out.interval = std::chrono::seconds{5 + below(296)};
    out.timeout = std::chrono::seconds{1 + below(300)};
    if (coin()) out.body_limit = 1024 + below(1U << 20);
    for (std::size_t i = below(4); i > 0; --i) add_setting(out);
    return out;
  }

  Document document(Format format) {
    Document out;
    out.format = format;
    // In JSON it would be a text like any other, and judged as one.
    const auto variable = [&](const char* name, const char* value) { return format == Format::kYaml ? name : value; };
    out.local_database_path = coin() ? "/tmp/" + text() : one_of("", "~/x", "${HOME}/y", "x");
    if (coin()) {
      out.external_database_uri =
          one_of("", "postgresql://u:p%20w@h/db", "postgresql://u:${X}@h/db", "host=h password='a b # c'");
    } else {
      out.external_database_uri_file = maybe("/run/" + text());
    }
    if (coin())
      out.interval_limits =
          IntervalLimits{std::chrono::seconds{1 + below(5)}, std::chrono::seconds{300 + below(86101)}};
    const auto limit = [&](std::size_t most) {
      return coin() ? std::optional(static_cast<int>(below(most + 1))) : std::nullopt;
    };
    if (coin()) out.limits = HostLimits{limit(20'000), limit(100'000)};
    out.worker_agent = maybe_boolean();
    out.worker_exporter = maybe_boolean();
    out.worker_collector = maybe_boolean();
    out.keep_exported = maybe(one_of("0", "1h", "90 s", variable("${KEEP}", "2h")));
    out.local_retention = maybe(one_of("60", "1m", "365d"));
    out.local_max_size = maybe(one_of("16 MiB", "10GiB", "1073741824"));
    out.remote_retention = maybe(one_of("1d", "86400"));
    if (coin()) {
      out.rollups = RollupAges{maybe(one_of("2d", "48h", variable("${KEEP}", "90d"))), maybe(one_of("90d", "36500d"))};
    }
    out.stop_grace = maybe(one_of("0s", "5", "5m"));
    out.dns_cache = maybe(one_of("ttl", "off", variable("${X}", "ttl")));
    out.watch_config = maybe_boolean();
    for (std::size_t i = below(6); i > 0; --i) out.services.push_back(service(i));
    sort_services(out);
    return out;
  }

 private:
  std::mt19937 engine_;
};

TEST_P(RoundTrip, KeepsEveryDocument) {
  Random random(7);
  for (int round = 0; round < 500; ++round) {
    const auto document = random.document(GetParam());
    Document read_back;
    ASSERT_EQ(test::error_of([&] { read_back = again(document); }), "nothing was thrown") << to_text(document);
    ASSERT_EQ(everything(read_back), everything(document)) << to_text(document);
    ASSERT_EQ(read_back.format, document.format);
    ASSERT_FALSE(read_back.has_comments) << to_text(document);
    ASSERT_EQ(to_text(read_back), to_text(document));
  }
}

INSTANTIATE_TEST_SUITE_P(In, RoundTrip, testing::Values(Format::kYaml, Format::kJson),
                         [](const auto& info) { return info.param == Format::kYaml ? "Yaml" : "Json"; });

}  // namespace
}  // namespace monitor::config
