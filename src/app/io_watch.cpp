#include "app/io_watch.h"

#include <system_error>
#include <utility>

#include "common/log.h"

namespace monitor::app {

namespace log = common::log;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

IoWatch::IoWatch(Limits limits, std::function<void()> leave)
    : limits_(limits), leave_(std::move(leave)), looked_at_(steady_clock::now()) {
  try {
    thread_ = std::thread([this] { watch(); });
  } catch (const std::system_error& error) {
    log::warning("Nobody watches the io thread: no thread can be had for it ({})", error.what());
  }
}

IoWatch::~IoWatch() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  ended_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void IoWatch::beat(std::string places, std::size_t uncommitted) {
  const std::lock_guard lock(mutex_);
  const auto now = steady_clock::now();
  beat_at_ = now;
  places_ = std::move(places);
  uncommitted_ = uncommitted;
  if (!silent_since_) return;
  log::warning("The io thread turns again, after {} s.",
               std::chrono::duration_cast<seconds>(now - *silent_since_).count());
  silent_since_.reset();
}

void IoWatch::end_by(seconds within) {
  const std::lock_guard lock(mutex_);
  end_at_ = steady_clock::now() + within;
  end_within_ = within;
}

void IoWatch::watch() {
  std::unique_lock lock(mutex_);
  while (!over_) {
    look(steady_clock::now());
    ended_.wait_for(lock, limits_.look_every);
  }
}

void IoWatch::look(common::SteadyTime now) {
  // If this thread did not run either, the process stood still as a whole.
  const auto away = now - std::exchange(looked_at_, now);
  if (away > limits_.look_every + limits_.silence / 2) {
    if (beat_at_) *beat_at_ += away;
    if (end_at_) *end_at_ += away;
  }
  if (end_at_ && now >= *end_at_) {
    log::error(
        "The stop has not ended within {} s, so the process ends without it: {}. {} results were not committed to the "
        "local database and may be lost; what was, is safe.",
        end_within_.count(), places_, uncommitted_);
    over_ = true;
    leave_();
    return;
  }
  if (!beat_at_ || silent_since_ || now - *beat_at_ <= limits_.silence) return;
  silent_since_ = beat_at_;
  log::error(
      "The io thread has not turned for {:.1f} s; nothing is polled, and the watchdog is not fed until it does. "
      "Last seen: {}",
      std::chrono::duration<double>(now - *beat_at_).count(), places_);
}

}  // namespace monitor::app
