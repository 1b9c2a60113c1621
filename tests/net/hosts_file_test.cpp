#include "net/hosts_file.h"

#include <fstream>

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace monitor::net {
namespace {

void write(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file) << text;
}

TEST(HostsFile, KnowsEveryNameOfALineAndOfSeveral) {
  const test::TempDir dir;
  write(dir / "hosts",
        "# a comment\n192.0.2.1\tone.test One-Alias # more\n\nnot an address\n2001:db8::1 one.test\n"
        "192.0.2.1 one.test\n");
  HostsFile hosts((dir / "hosts").string());
  const auto one = hosts.find("one.test");
  ASSERT_TRUE(one);
  ASSERT_EQ(one->size(), 2U);
  EXPECT_EQ(one->at(0).to_string(), "2001:db8::1");
  EXPECT_EQ(one->at(1).to_string(), "192.0.2.1");
  EXPECT_TRUE(hosts.find("one-alias"));
  EXPECT_FALSE(hosts.find("more"));
  EXPECT_FALSE(hosts.find("two.test"));
}

TEST(HostsFile, IsReadAgainOnceItHasChanged) {
  const test::TempDir dir;
  HostsFile hosts((dir / "hosts").string());
  EXPECT_FALSE(hosts.find("one.test"));
  write(dir / "hosts", "192.0.2.1 one.test\n");
  ASSERT_TRUE(hosts.find("one.test"));
  write(dir / "hosts", "192.0.2.1 two.test.longer\n");
  EXPECT_FALSE(hosts.find("one.test"));
  EXPECT_TRUE(hosts.find("two.test.longer"));
  std::filesystem::remove(dir / "hosts");
  EXPECT_FALSE(hosts.find("two.test.longer"));
}

}  // namespace
}  // namespace monitor::net
