#include "agent/history.h"

#include <gtest/gtest.h>

namespace monitor::agent {
namespace {

using common::Verdict;
using probe::Keep;

constexpr auto kUp = Verdict::kUp;
constexpr auto kDegraded = Verdict::kDegraded;
constexpr auto kDown = Verdict::kDown;
constexpr auto kUnknown = Verdict::kUnknown;

TEST(History, SaysEachChangeOnce) {
  History history;
  EXPECT_EQ(history.slot(kUp, false), Notice::kNone) << "what is up from the start is no news";
  EXPECT_EQ(history.slot(kDown, false), Notice::kDown);
  EXPECT_EQ(history.slot(kDown, false), Notice::kNone);
  EXPECT_EQ(history.slot(kUp, false), Notice::kUp);
  EXPECT_EQ(history.slot(kDegraded, false), Notice::kDegraded);
  EXPECT_EQ(history.slot(kDegraded, false), Notice::kNone);
  EXPECT_EQ(history.slot(kDown, false), Notice::kDown);
  EXPECT_EQ(history.slot(kDegraded, false), Notice::kDegraded);
  EXPECT_EQ(history.slot(kUp, false), Notice::kUp);
}

TEST(History, WhatIsUnknownInBetweenChangesNothing) {
  History history;
  EXPECT_EQ(history.slot(kUnknown, false), Notice::kUnjudged);
  EXPECT_EQ(history.slot(kUnknown, false), Notice::kNone);
  EXPECT_EQ(history.slot(kDown, false), Notice::kDown);
  EXPECT_EQ(history.slot(kUnknown, false), Notice::kUnjudged);
  EXPECT_EQ(history.slot(kDown, false), Notice::kNone);
  EXPECT_EQ(history.last(), kDown);
}

TEST(History, AFailureIsSaidWhenTheLastRecheckConfirmsIt) {
  History history;
  EXPECT_EQ(history.slot(kDown, true), Notice::kNone);
  EXPECT_EQ(history.recheck(kDown, false), Notice::kNone);
  EXPECT_EQ(history.recheck(kDown, true), Notice::kDown);
  EXPECT_EQ(history.slot(kDown, true), Notice::kNone);
  EXPECT_EQ(history.recheck(kDown, true), Notice::kNone);
  EXPECT_EQ(history.slot(kUp, false), Notice::kUp);
}

TEST(History, AFailureThatARecheckDoesNotConfirmIsNoChange) {
  for (const auto good : {kUp, kDegraded}) {
    History history;
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(history.slot(kDown, true), Notice::kNone);
      EXPECT_EQ(history.recheck(good, true), Notice::kUnconfirmed);
    }
    EXPECT_EQ(history.last(), kDown) << "the slot's verdict stands";
    EXPECT_EQ(history.slot(kUp, false), Notice::kNone);
  }
}

TEST(History, TheNextSlotConfirmsWhatNoRecheckCould) {
  History history;
  EXPECT_EQ(history.slot(kDown, true), Notice::kNone);
  EXPECT_EQ(history.recheck(kUnknown, true), Notice::kNone);
  EXPECT_EQ(history.slot(kDown, true), Notice::kDown);
  History cut;
  EXPECT_EQ(cut.slot(kDown, true), Notice::kNone);
  EXPECT_EQ(cut.slot(kDown, true), Notice::kDown);
}

TEST(History, DuringAnOutageARecheckThatIsUpSaysNothing) {
  History history;
  EXPECT_EQ(history.slot(kDown, false), Notice::kDown);
  EXPECT_EQ(history.slot(kDown, true), Notice::kNone);
  EXPECT_EQ(history.recheck(kUp, true), Notice::kNone);
  EXPECT_EQ(history.slot(kUp, false), Notice::kUp);
}

TEST(History, KeepsTheFirstBadResponseAndTheFirstGoodOneAfterIt) {
  const probe::EvidenceOptions options;
  History history;
  EXPECT_EQ(history.keep(options), Keep::kIfBad);
  history.slot(kUp, false);
  EXPECT_EQ(history.keep(options), Keep::kIfBad);
  history.slot(kDegraded, false);
  EXPECT_EQ(history.keep(options), Keep::kIfGood);
  history.slot(kDown, false);
  EXPECT_EQ(history.keep(options), Keep::kIfGood);
  history.slot(kUnknown, false);
  EXPECT_EQ(history.keep(options), Keep::kIfGood);
  history.slot(kUp, false);
  EXPECT_EQ(history.keep(options), Keep::kIfBad);
  history.slot(kUnknown, false);
  EXPECT_EQ(history.keep(options), Keep::kIfBad);
}

TEST(History, ARecheckKeepsAsAnyCheckDoes) {
  const probe::EvidenceOptions options;
  History history;
  history.slot(kDown, true);
  EXPECT_EQ(history.keep(options), Keep::kIfGood);
  history.recheck(kUp, true);
  EXPECT_EQ(history.keep(options), Keep::kIfBad);
}

TEST(History, KeepsNothingWhereNothingIsWanted) {
  probe::EvidenceOptions options;
  options.none = true;
  History history;
  EXPECT_EQ(history.keep(options), Keep::kNothing);
  history.slot(kDown, false);
  EXPECT_EQ(history.keep(options), Keep::kNothing);
}

}  // namespace
}  // namespace monitor::agent
