#include "agent/change.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace monitor::agent {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

probe::Service service(const std::string& name, seconds interval = seconds{5}) {
  probe::Service out;
  out.name = name;
  out.url = out.target = "http://127.0.0.1/" + name;
  out.method = "GET";
  out.interval = interval;
  out.extra = std::make_shared<const probe::Spec>();
  return out;
}

Options of(std::vector<probe::Service> services) {
  Options out;
  out.services = std::move(services);
  return out;
}

TEST(Change, TellsWhatStaysChangesComesAndGoes) {
  const std::vector before{service("a"), service("b"), service("c")};
  auto timeout = service("c");
  timeout.timeout = seconds{3};
  const auto change = change_of(before, of({timeout, service("d"), service("a")}));
  EXPECT_THAT(change.was, ElementsAre(2, Change::kNew, 0));
  EXPECT_THAT(change.added, ElementsAre(1));
  EXPECT_THAT(change.changed, ElementsAre(0));
  EXPECT_THAT(change.removed, ElementsAre(1));
  EXPECT_EQ(change.options.services[2].extra, before[0].extra) << "what stays is not kept twice";
  EXPECT_NE(change.options.services[0].extra, before[2].extra);
}

TEST(Change, ASecretThatNoTableShowsIsAChangeToo) {
  auto before = service("a"), after = service("a");
  auto said = std::make_shared<probe::Spec>();
  said->auth.secret = common::Secret{"old"};
  before.extra = said;
  said = std::make_shared<probe::Spec>(*said);
  said->auth.secret = common::Secret{"new"};
  after.extra = said;
  EXPECT_THAT(change_of({before}, of({after})).changed, ElementsAre(0));
}

TEST(Change, AnotherNameIsAnotherService) {
  auto renamed = service("a");
  renamed.name = "z";
  const auto change = change_of({service("a")}, of({renamed}));
  EXPECT_THAT(change.added, ElementsAre(0));
  EXPECT_THAT(change.removed, ElementsAre(0));
}

TEST(Change, ANamelessServiceIsKnownByWhatItAsksFor) {
  auto before = service(""), timeout = before, regex = before;
  timeout.timeout = seconds{1};
  regex.regex = "x";
  EXPECT_THAT(change_of({before}, of({timeout})).changed, ElementsAre(0));
  EXPECT_THAT(change_of({before}, of({regex})).added, ElementsAre(0));
}

TEST(Change, CertificateFilesAreReadAgain) {
  auto one = service("a");
  auto said = std::make_shared<probe::Spec>();
  said->tls.ca = "/etc/ca.pem";
  one.extra = said;
  const auto change = change_of({one}, of({one}));
  EXPECT_THAT(change.renewed, ElementsAre(0));
  EXPECT_THAT(change.changed, IsEmpty());
}

TEST(Change, HostsAreCountedWhereThereAreLimits) {
  auto options = of({service("a"), service("b")});
  EXPECT_THAT(change_of({}, options).hosts.of, IsEmpty());
  options.limits.per_host_rate = 1;
  EXPECT_THAT(change_of({}, options).hosts.of, ElementsAre(0, 0));
}

}  // namespace
}  // namespace monitor::agent
