#include "app/reloader.h"

#include <algorithm>
#include <iterator>
#include <new>
#include <sys/stat.h>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include "async/deadline.h"
#include "async/offload.h"
#include "common/error.h"
#include "common/log.h"
#include "common/text.h"

namespace monitor::app {

namespace asio = boost::asio;
namespace log = common::log;

namespace {

/// Who asks within this time of one another gets one reading.
constexpr std::chrono::milliseconds kGather{100};

/// Blocks, for as long as reading and judging the file takes.
std::unique_ptr<Takeover> prepare(const config::Settings& before) {
  auto out = std::make_unique<Takeover>();
  out->settings = std::make_shared<config::Settings>(config::load(before.file));
  auto& settings = *out->settings;
  if (settings.agent.enabled && settings.agent.services.empty()) {
    throw common::UsageError(fmt::format("there is no service in {}: stop the monitor, or switch the agent off there",
                                         common::escape_controls(before.file.native())));
  }
  out->difference = difference_of(before, settings);
  out->change = agent::change_of(before.agent.services, settings.agent);
  settings.agent.services = out->change.options.services;  // one that stays shares what it says with what it was
  // What waits for a restart is not in force.
  settings.agent.enabled = before.agent.enabled;
  settings.storage.path = before.storage.path;
  return out;
}

}  // namespace

std::optional<FileStamp> stamp_of(const std::filesystem::path& file) {
  struct stat found{};
  if (::stat(file.c_str(), &found) != 0) return std::nullopt;
  constexpr std::int64_t kNanos = 1'000'000'000;
  return FileStamp{found.st_dev, found.st_ino, static_cast<std::uint64_t>(found.st_size),
                   found.st_mtim.tv_sec * kNanos + found.st_mtim.tv_nsec};
}

/// What may take as long as a disk, or a share, likes.
class Reloader::Step {
 public:
  /// `what`: a sentence's subject.
  Step(const Reloader& of, std::string what)
      : what_(std::move(what)), slow_(of.io_, of.pace_.slow_after, [this, after = of.pace_.slow_after] {
          log::warning("{} has not ended after {:.0f} s: a disk or a network share that it needs may hang.", what_,
                       std::chrono::duration<double>(after).count());
        }) {}
  ~Step() {
    if (!slow_.expired()) return;
    log::warning("{} has ended, after {:.0f} s.", what_,
                 std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count());
  }
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

 private:
  const std::string what_;
  const common::SteadyTime began_ = std::chrono::steady_clock::now();
  const async::Deadline slow_;
};

Reloader::Reloader(asio::any_io_executor io, std::function<Settings()> in_force, Apply apply, Systemd& systemd,
                   Pace pace)
    : in_force_(std::move(in_force)),
      apply_(std::move(apply)),
      io_(io),
      systemd_(systemd),
      pace_(pace),
      judged_(stamp_of(in_force_()->file)),
      seen_(judged_),
      wake_(io),
      served_another_(io, std::chrono::steady_clock::time_point::max()) {}

void Reloader::ask() {
  ++asked_;
  wake_.notify();
}

asio::awaitable<Reloaded> Reloader::reload() {
  ask();
  const auto mine = asked_;
  while (served_ < mine) {
    boost::system::error_code woken;
    co_await served_another_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    if (co_await async::cancelled()) throw boost::system::system_error(asio::error::operation_aborted);
  }
  co_return last_;
}

asio::awaitable<void> Reloader::run() {
  for (;;) {
    const bool watching = in_force_()->watch;
    const auto look_at = watching ? std::chrono::steady_clock::now() + pace_.look_every : common::SteadyTime::max();
    // After a want of memory one may be asked for that its event tells of no more.
    if (served_ < asked_ || co_await wake_.wait_until(look_at)) co_await async::sleep_for(kGather);
    const auto serving = asked_;
    const bool is_asked = served_ < serving;
    if (!is_asked && !(watching && co_await has_settled())) continue;
    last_ = co_await read_again(!is_asked);
    served_ = serving;
    served_another_.cancel();
  }
}

/// Whether the file is another than the one that was read, and nobody is writing it.
asio::awaitable<bool> Reloader::has_settled() {
  const auto file = in_force_()->file;
  const auto look = [&file] { return stamp_of(file); };
  const Step step(*this, fmt::format("A look at the configuration {}", file.string()));
  const auto now = co_await async::offload(pool_, look);
  const auto before = std::exchange(seen_, now);
  say_whether_there(file, now.has_value());
  co_return now&& now == before&& now != judged_;
}

void Reloader::say_whether_there(const std::filesystem::path& file, bool there) {
  if (std::exchange(there_, there) == there) return;
  if (there) return log::warning("The configuration {} is there again.", file.string());
  log::warning("The configuration {} is gone, or cannot be looked at; the one in force stays.", file.string());
}

asio::awaitable<Reloaded> Reloader::read_again(bool watched) {
  systemd_.reloading();
  Reloaded out;
  out.refusal = co_await take_over(watched, out);
  tell(out);
  systemd_.ready();
  co_return out;
}

/// Why it was not; empty: it was.
asio::awaitable<std::string> Reloader::take_over(bool watched, Reloaded& out) {
  std::unique_ptr<Takeover> next;
  std::string refusal;
  Settings before = in_force_();
  const auto read = [&] {
    judged_ = stamp_of(before->file);  // before it is read: what is written from now on is seen as another
    return prepare(*before);
  };
  try {
    std::optional<Step> step;
    step.emplace(*this, fmt::format("The reading of {} and the files that it names", before->file.string()));
    next = co_await async::offload(pool_, read);
    step.reset();
    seen_ = judged_;
    out.polled = next->settings->agent.enabled;
    out.services = next->settings->agent.services.size();
    out.added = next->change.added.size();
    out.changed = next->change.changed.size();
    out.removed = next->change.removed.size();
    out.applied = next->difference.applied;
    out.restart = next->difference.restart;
    std::ranges::copy_if(next->settings->warnings, std::back_inserter(out.warnings), [&](const std::string& warning) {
      return std::ranges::find(before->warnings, warning) == before->warnings.end();  // not said before
    });
    if (watched && loses_too_many(before->agent.services.size(), out.removed)) {
      refusal = fmt::format(
          "{} of its {} services are gone, which a file that was cut off would look like; if that is meant, reload it "
          "(`monitor reload`, systemctl reload, or SIGHUP)",
          out.removed, before->agent.services.size());
    } else {
      step.emplace(*this, "The taking over of the configuration");
      co_await apply_(*next);
    }
  } catch (const boost::system::system_error& error) {
    if (error.code() == asio::error::operation_aborted) throw;
    refusal = error.what();
  } catch (const std::bad_alloc&) {
    refusal = "there is too little memory for it; raise the limit (MemoryMax= of the unit, or ulimit -v)";
  } catch (const std::exception& error) {
    refusal = error.what();
  }
  // So many services are best destroyed where nothing waits for that.
  const auto destroy = [&] {
    next.reset();
    before.reset();
  };
  co_await async::offload(pool_, destroy);
  co_return refusal;
}

void Reloader::tell(const Reloaded& reloaded) {
  if (!reloaded.refusal.empty()) {
    std::string faults = reloaded.refusal;
    for (auto at = faults.find('\n'); at != std::string::npos; at = faults.find('\n', at)) faults.replace(at, 1, "; ");
    return log::error("The configuration was read again and not taken over; the one in force stays: {}", faults);
  }
  for (const auto& warning : reloaded.warnings) log::warning("{}", warning);
  if (reloaded.restart.empty()) {
    log::info("The configuration was read again. {}", sentence_of(reloaded));
  } else {
    log::warning("The configuration was read again. {}", sentence_of(reloaded));
  }
}

}  // namespace monitor::app
