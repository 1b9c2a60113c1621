#include "app/reload.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/reload_json.h"
#include "common/error.h"
#include "support/temp_dir.h"

namespace monitor::app {
namespace {

using config::Settings;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(Reload, NothingDiffersWhereNothingWasChanged) {
  const auto difference = difference_of({}, {});
  EXPECT_THAT(difference.applied, IsEmpty());
  EXPECT_THAT(difference.restart, IsEmpty());
  EXPECT_FALSE(difference.collector || difference.exporter);
}

TEST(Reload, ADatabaseThatComesMakesExporterAndCollectorAnew) {
  Settings after;
  after.exporter.uri = "postgresql://there/db";
  const auto difference = difference_of({}, after);
  EXPECT_THAT(difference.applied, ElementsAre("external_database_uri"));
  EXPECT_TRUE(difference.exporter);
  EXPECT_TRUE(difference.collector) << "only what has arrived may go";
}

TEST(Reload, AnotherDatabaseMakesTheExporterAlone) {
  Settings before, after;
  before.exporter.uri = "postgresql://here/db";
  after.exporter.uri = "postgresql://there/db";
  const auto difference = difference_of(before, after);
  EXPECT_TRUE(difference.exporter);
  EXPECT_FALSE(difference.collector);
}

TEST(Reload, WhatIsKeptIsTheCollectorsAndTheExporters) {
  Settings after;
  after.collector.keep_exported = std::chrono::hours{2};
  EXPECT_TRUE(difference_of({}, after).collector);
  EXPECT_FALSE(difference_of({}, after).exporter);
  after = {};
  after.collector.rollup_hours = after.exporter.rollup_hours = std::chrono::days{3};
  EXPECT_TRUE(difference_of({}, after).collector);
  EXPECT_TRUE(difference_of({}, after).exporter);
  EXPECT_THAT(difference_of({}, after).applied, ElementsAre("rollups"));
  after = {};
  after.exporter.remote_retention = std::chrono::days{3};
  EXPECT_THAT(difference_of({}, after).applied, ElementsAre("remote_retention"));
}

TEST(Reload, WhatWaitsForARestartIsNamed) {
  Settings after;
  after.storage.path = "/elsewhere";
  after.agent.enabled = false;
  after.stop_grace = std::chrono::seconds{7};
  const auto difference = difference_of({}, after);
  EXPECT_THAT(difference.restart, ElementsAre("local_database_path", "workers.agent"));
  EXPECT_THAT(difference.applied, ElementsAre("stop_grace"));
}

TEST(Reload, EveryOtherKeyIsInForceAtOnce) {
  Settings after;
  after.storage.max_size = 1 << 20;
  after.agent.limits.per_host_rate = 1;
  after.net.dns_cache = false;
  after.watch = true;
  after.exporter.enabled = after.collector.enabled = false;
  EXPECT_THAT(difference_of({}, after).applied, ElementsAre("local_max_size", "workers.exporter", "workers.collector",
                                                            "limits", "dns_cache", "watch_config"));
  after = {};
  after.net.deny_networks = {"link-local"};
  EXPECT_THAT(difference_of({}, after).applied, ElementsAre("limits"));
}

TEST(Reload, MoreThanHalfIsTooMany) {
  EXPECT_FALSE(loses_too_many(0, 0));
  EXPECT_TRUE(loses_too_many(1, 1));
  EXPECT_FALSE(loses_too_many(2, 1));
  EXPECT_FALSE(loses_too_many(100, 50));
  EXPECT_TRUE(loses_too_many(100, 51));
}

TEST(Reload, TheSentenceCounts) {
  Reloaded reloaded;
  reloaded.services = 10;
  reloaded.added = 2;
  reloaded.changed = 1;
  reloaded.removed = 3;
  reloaded.applied = {"limits"};
  reloaded.restart = {"local_database_path"};
  EXPECT_EQ(sentence_of(reloaded),
            "services: 2 added, 1 changed, 3 removed, 7 as they were. Also in force: limits. After a restart only: "
            "local_database_path.");
}

TEST(Reload, ARequestForAnotherFileIsRefused) {
  const test::TempDir folder;
  std::ofstream(folder / "a") << "x";
  std::ofstream(folder / "b") << "x";
  std::filesystem::create_symlink(folder / "a", folder / "link");
  EXPECT_NO_THROW(require_file({}, folder / "a"));
  EXPECT_NO_THROW(require_file({{"file", (folder / "link").string()}}, folder / "a"));
  EXPECT_THROW(require_file({{"file", (folder / "b").string()}}, folder / "a"), common::Error);
  EXPECT_THROW(require_file({{"file", 7}}, folder / "a"), common::Error);
}

}  // namespace
}  // namespace monitor::app
