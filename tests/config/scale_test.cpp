#include <set>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "config/config_files.h"
#include "config/document.h"
#include "config/settings.h"
#include "config/writer.h"
#include "support/temp_dir.h"

namespace monitor::config {
namespace {

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
constexpr std::size_t kServices = kSanitized ? 10'000 : 100'000;

Document large(Format format, std::size_t services) {
  Document document;
  document.format = format;
  for (std::size_t i = 0; i < services; ++i) {
    auto& service = document.services.emplace_back();
    service.url = fmt::format("https://host-{}.example.com/health/{}", i % 5000, i);
    service.method = "GET";
    service.check_regex = true;
    service.regex = fmt::format("\"status\": \"ok {}\"", i % 50);
    service.interval = std::chrono::seconds{60};
    // Of a few kinds, as there are: the services of one team say the same.
    if (i % 10 == 0)
      service.settings = fmt::format(
          R"({{"headers":{{"Accept":"application/json","X-Team":"{}"}},"redirects":{{"follow":true}},"expect":{{)"
          R"("status":["2xx",301],"json":[{{"pointer":"/status","equals":"ok"}}],"max_time":"2s"}}}})",
          i / 10 % 20);
  }
  return document;
}

class Scale : public testing::TestWithParam<Format> {};

TEST_P(Scale, AHundredThousandServicesLoadSoonAndSmall) {
  const monitor::test::TempDir folder;
  const auto file = folder / "config";
  // In a process of its own, whose peak of memory is then that of loading.
  const pid_t writer = ::fork();
  if (writer == 0) {
    test::write_file(file, to_text(large(GetParam(), kServices)));
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(writer, &status, 0), writer);
  ASSERT_EQ(status, 0);

  rusage before{};
  ::getrusage(RUSAGE_SELF, &before);
  const auto settings = load(file);
  rusage after{};
  ::getrusage(RUSAGE_SELF, &after);
  EXPECT_EQ(settings.agent.services.size(), kServices);
  EXPECT_TRUE(settings.warnings.empty());
  std::set<const probe::Spec*> specs;
  for (const auto& service : settings.agent.services) specs.insert(service.extra.get());
  EXPECT_EQ(specs.size(), 21U) << "twenty kinds, and none";
  RecordProperty("cpu_ms", static_cast<int>((after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000 +
                                            (after.ru_utime.tv_usec - before.ru_utime.tv_usec) / 1000));
  if (!kSanitized) EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 150 * 1024) << "KiB";
}

TEST_P(Scale, ThousandsOfDuplicatesAreToldSoon) {
  constexpr std::size_t kDuplicates = 12'000;
  const monitor::test::TempDir folder;
  auto document = large(GetParam(), kDuplicates);
  for (auto& service : document.services) service.url = "http://a.example/";
  const auto file = test::write_file(folder / "config", to_text(document));
  const auto message = test::error_of([&] { load(file); });
  EXPECT_TRUE(message.ends_with("\nand 11850 more")) << message.substr(message.size() - 200);
}

INSTANTIATE_TEST_SUITE_P(Of, Scale, testing::Values(Format::kYaml, Format::kJson),
                         [](const auto& info) { return info.param == Format::kYaml ? "Yaml" : "Json"; });

}  // namespace
}  // namespace monitor::config
