#include "agent/files.h"

#include <gtest/gtest.h>

#include "agent/options.h"

namespace monitor::agent {
namespace {

probe::Service service(bool reuse, bool follow) {
  auto spec = std::make_shared<probe::Spec>();
  spec->reuse = reuse;
  spec->redirects = {.follow = follow, .max = 3};
  probe::Service out;
  out.extra = std::move(spec);
  return out;
}

TEST(ConnectionsKept, AreOneForEachServiceThatReusesAndOneForEachRedirectItMayFollow) {
  EXPECT_EQ(connections_kept({}), 0U);
  EXPECT_EQ(connections_kept({probe::Service{}, service(false, true)}), 0U);
  EXPECT_EQ(connections_kept({service(true, false), service(true, false)}), 2U);
  EXPECT_EQ(connections_kept({service(true, false), service(true, true)}), 5U);
}

TEST(ShareOut, ChecksGetWhatIsNotKeptForOtherThings) {
  const auto files = share_out(1024, 100);
  EXPECT_EQ(files.idle, 100U);
  EXPECT_EQ(files.spare, kFewestSpare);
  EXPECT_EQ(files.checks + files.idle + files.spare + kReservedFiles, 1024U);
}

TEST(ShareOut, ConnectionsThatWaitGetAQuarterAtMost) {
  EXPECT_EQ(share_out(1024, 1'000'000).idle, 256U);
  EXPECT_EQ(share_out(1024, 256).checks, share_out(1024, 1'000'000).checks);
}

TEST(ShareOut, RacesGetWhatChecksCannotUse) {
  const auto files = share_out(65'536, 1000);
  EXPECT_EQ(files.checks, kMostChecksAtOnce);
  EXPECT_EQ(files.checks + files.idle + files.spare + kReservedFiles, 65'536U);
}

TEST(ShareOut, OneCheckRunsHoweverFewFilesThereAre) {
  for (const std::size_t few : {0, 1, 64, 128, 129}) EXPECT_EQ(share_out(few, 0).checks, 1U) << few;
  EXPECT_EQ(share_out(130, 0).checks, 2U);
}

TEST(FilesNeeded, AreJustEnough) {
  for (const std::size_t checks : {2, 3, 100, 1001, 20'000}) {
    for (const std::size_t kept : {0, 1, 50, 1000, 100'000}) {
      const auto files = files_needed(checks, kept);
      EXPECT_GE(share_out(files, kept).checks, checks) << checks << " checks, " << kept << " kept";
      EXPECT_LT(share_out(files - 1, kept).checks, checks) << checks << " checks, " << kept << " kept";
    }
  }
}

}  // namespace
}  // namespace monitor::agent
