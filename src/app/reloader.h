// Reads the configuration again when a signal, the control socket or a change of the file asks for it, one reading
// after another, and has what it says taken over. io thread only; the file is read and judged on a thread of its own.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "app/reload.h"
#include "app/systemd.h"
#include "async/event.h"
#include "config/settings.h"

namespace monitor::app {

/// Another configuration, valid as a whole.
struct Takeover {
  std::shared_ptr<config::Settings> settings;
  agent::Change change;
  Difference difference;
};

/// The file as it was found, as far as a look at it tells; it follows links, so that one which is set anew counts.
struct FileStamp {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t modified_ns = 0;
  bool operator==(const FileStamp&) const = default;
};
/// Nothing: there is no such file. Blocks.
std::optional<FileStamp> stamp_of(const std::filesystem::path& file);

struct Pace {
  /// How often a watched file is looked at; it has settled when two looks find it the same.
  std::chrono::milliseconds look_every{2000};
  /// A step that takes longer is told of, and told of again when it is over: a share that hangs has no limit.
  std::chrono::milliseconds slow_after{15'000};
};

class Reloader {
 public:
  using Settings = std::shared_ptr<const config::Settings>;
  /// Puts another configuration in force, so that settings() says it afterwards. Throws common::Error with nothing
  /// changed where a service cannot be made ready.
  using Apply = std::function<boost::asio::awaitable<void>(Takeover&)>;

  /// `in_force`: what is polled now.
  Reloader(boost::asio::any_io_executor io, std::function<Settings()> in_force, Apply apply, Systemd& systemd,
           Pace pace = Pace{});

  /// Until cancelled.
  boost::asio::awaitable<void> run();
  /// Soon. Many calls while one reading is under way come to one more.
  void ask();
  /// What came of a reading that began after this call.
  boost::asio::awaitable<Reloaded> reload();

 private:
  class Step;

  boost::asio::awaitable<bool> has_settled();
  boost::asio::awaitable<Reloaded> read_again(bool watched);
  boost::asio::awaitable<std::string> take_over(bool watched, Reloaded& out);
  static void tell(const Reloaded& reloaded);
  void say_whether_there(const std::filesystem::path& file, bool there);

  const std::function<Settings()> in_force_;
  const Apply apply_;
  const boost::asio::any_io_executor io_;
  Systemd& systemd_;
  const Pace pace_;
  std::uint64_t asked_ = 0, served_ = 0;
  Reloaded last_;
  std::optional<FileStamp> judged_, seen_;  ///< when it was read last; when it was looked at last
  bool there_ = true;                       ///< the watched file was, when it was looked at last
  async::Event wake_;
  boost::asio::steady_timer served_another_;  ///< never ends, and is cancelled whenever a reading has
  boost::asio::thread_pool pool_{1};
};

}  // namespace monitor::app
