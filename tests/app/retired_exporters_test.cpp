#include "app/retired_exporters.h"

#include <gtest/gtest.h>

namespace monitor::app {
namespace {

namespace asio = boost::asio;

struct Seen {
  bool busy = true;
  bool retired = false;
  bool gone = false;
};

class Hanging final : public exporter::Exporter {
 public:
  explicit Hanging(Seen& seen) : seen_(seen) {}
  ~Hanging() override { seen_.gone = true; }
  Hanging(const Hanging&) = delete;
  Hanging& operator=(const Hanging&) = delete;
  asio::awaitable<exporter::Progress> step() override { co_return exporter::Progress::kIdle; }
  asio::awaitable<void> run() override { co_return; }
  void wake() override {}
  asio::awaitable<void> maintain() override { co_return; }
  asio::awaitable<void> flush(std::chrono::milliseconds) override { co_return; }
  void retire() override { seen_.retired = true; }
  bool busy() const override { return seen_.busy; }
  exporter::Health health() const override { return {}; }

 private:
  Seen& seen_;
};

TEST(RetiredExporters, AreDestroyedWhenNothingOfThemRuns) {
  Seen one;
  Seen two;
  RetiredExporters retired;
  retired.take(nullptr);
  retired.take(std::make_unique<Hanging>(one));
  EXPECT_TRUE(one.retired);
  two.busy = false;
  retired.take(std::make_unique<Hanging>(two));
  EXPECT_TRUE(two.gone);
  EXPECT_FALSE(one.gone);
  one.busy = false;
  retired.sweep();
  EXPECT_TRUE(one.gone);
  EXPECT_EQ(retired.size(), 0U);
}

}  // namespace
}  // namespace monitor::app
