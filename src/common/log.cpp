#include "common/log.h"

#include <atomic>
#include <cerrno>
#include <memory>
#include <mutex>
#include <poll.h>
#include <thread>
#include <unistd.h>

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>

#include "common/text.h"

namespace monitor::common::log {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// spdlog's default of 8192 preallocates 3.6 MB.
constexpr std::size_t kQueueLines = 512;
// A pipe that poll() calls writable takes this much without blocking (POSIX: PIPE_BUF).
constexpr std::size_t kAtomicWrite = 4096;

/// Writes to stderr, but never waits for it past the moment stop() has set.
class StderrSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void give_up_at(steady_clock::time_point moment) { give_up_at_ = moment.time_since_epoch().count(); }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    std::string_view rest(line.data(), line.size());
    while (!rest.empty() && wait_writable()) {
      const auto written = ::write(STDERR_FILENO, rest.data(), std::min(rest.size(), kAtomicWrite));
      if (written > 0) rest.remove_prefix(static_cast<std::size_t>(written));
      if (written < 0 && errno != EINTR && errno != EAGAIN) return;  // stderr is gone; there is nobody to tell
    }
  }
  void flush_() override {}

 private:
  bool wait_writable() const {
    while (steady_clock::now().time_since_epoch().count() < give_up_at_) {
      pollfd descriptor{STDERR_FILENO, POLLOUT, 0};
      const int ready = ::poll(&descriptor, 1, 50);
      if (ready > 0 || (ready < 0 && errno != EINTR)) return true;
    }
    return false;
  }
  std::atomic<steady_clock::rep> give_up_at_{steady_clock::time_point::max().time_since_epoch().count()};
};

class LevelName final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    constexpr std::string_view kNames[] = {"DEBUG", "DEBUG", "INFO", "WARNING", "ERROR", "ERROR", "ERROR"};
    const auto name = kNames[static_cast<std::size_t>(message.level)];
    out.append(name.data(), name.data() + name.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<LevelName>(); }
};

/// The stem of the source file: `src/exporter/exporter.cpp` is shown as `exporter`.
class ModuleName final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    std::string_view name = message.source.filename == nullptr ? "monitor" : message.source.filename;
    name.remove_prefix(name.find_last_of('/') + 1);
    name = name.substr(0, name.find('.'));
    out.append(name.data(), name.data() + name.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<ModuleName>(); }
};

std::unique_ptr<spdlog::formatter> make_formatter() {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<LevelName>('*').add_flag<ModuleName>('&');
  formatter->set_pattern("%* | %Y-%m-%d %H:%M:%S,%e | %& | %# | %v");
  return formatter;
}

struct Writer {
  std::shared_ptr<StderrSink> sink = std::make_shared<StderrSink>();
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::logger> logger;
};

// Kept for the whole life of the process: threads that outlive main() may still log.
std::mutex& guard() {
  static auto* mutex = new std::mutex;
  return *mutex;
}
std::shared_ptr<Writer>& current() {
  static auto* writer = new std::shared_ptr<Writer>;
  return *writer;
}
std::atomic<Level> g_level{Level::kError};
std::atomic<std::uint64_t> g_dropped_before{0};

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::shared_ptr<Writer> writer() {
  const std::lock_guard lock(guard());
  return current();
}

}  // namespace

Level level_of(int verbosity) {
  if (verbosity <= 2) return Level::kError;
  if (verbosity == 3) return Level::kWarning;
  return verbosity == 4 ? Level::kInfo : Level::kDebug;
}

void start(Level level) {
  auto fresh = std::make_shared<Writer>();
  fresh->pool = std::make_shared<spdlog::details::thread_pool>(kQueueLines, 1);
  fresh->logger = std::make_shared<spdlog::async_logger>("monitor", fresh->sink, fresh->pool,
                                                         spdlog::async_overflow_policy::overrun_oldest);
  fresh->logger->set_formatter(make_formatter());
  fresh->logger->set_level(spdlog::level::trace);
  g_level = level;
  const std::lock_guard lock(guard());
  current() = std::move(fresh);
}

void stop(milliseconds limit) {
  std::shared_ptr<Writer> last;
  {
    const std::lock_guard lock(guard());
    last = std::move(current());
    current() = nullptr;
  }
  if (!last) return;
  g_dropped_before += last->pool->overrun_counter();
  last->sink->give_up_at(steady_clock::now() + limit);
  // Destroying the pool drains it; the sink's limit bounds that.
}

std::uint64_t dropped() {
  const auto active = writer();
  return g_dropped_before + (active ? active->pool->overrun_counter() : 0);
}

bool enabled(Level level) {
  return level >= g_level.load(std::memory_order_relaxed);
}

void write(Level level, const std::source_location& where, std::string_view message) {
  const spdlog::source_loc location(where.file_name(), static_cast<int>(where.line()), where.function_name());
  const auto line = escape_controls(message);
  if (const auto active = writer()) {
    active->logger->log(location, to_spdlog(level), line);
    return;
  }
  static auto* direct = [] {
    auto sink = std::make_shared<StderrSink>();
    auto* logger = new spdlog::logger("monitor", std::move(sink));
    logger->set_formatter(make_formatter());
    logger->set_level(spdlog::level::trace);
    return logger;
  }();
  direct->log(location, to_spdlog(level), line);
}

}  // namespace monitor::common::log
