#include "probe/matcher.h"

#include <atomic>
#include <exception>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>

#include "async/event.h"
#include "probe/charset.h"

namespace monitor::probe {

namespace asio = boost::asio;

namespace {

// One slow search leaves the other thread to the rest.
constexpr std::size_t kThreads = 2;
// Decoding costs up to 0.1 µs a byte, so this is 2 ms at most.
constexpr std::size_t kLittleBody = std::size_t{16} << 10;
// Bytes times instructions. The worst measured of RE2 are 6.3 ns for each, so this is 7 ms at most, and twice that
// where `$` is tried again before a final newline. An ordinary expression has fewer than 64 instructions.
constexpr std::size_t kLittleWork = std::size_t{1} << 20;

}  // namespace

/// What the pool's thread works on. Who takes it first owns `body`: that thread, or who no longer waits.
struct Matcher::Job {
  std::string body, charset;
  std::shared_ptr<const Regex> regex;
  std::atomic<bool> taken = false;

  static asio::awaitable<bool> work(std::shared_ptr<Job> job) {
    co_return !job->taken.exchange(true) && search_now(job->body, job->charset, *job->regex);
  }
};

/// What the io thread alone touches.
struct Matcher::Answer {
  explicit Answer(const asio::any_io_executor& io) : ready(io) {}
  async::Event ready;
  std::exception_ptr failure;
  bool found = false;
};

Matcher::Matcher(asio::any_io_executor io) : io_(std::move(io)) {}

Matcher::~Matcher() = default;

bool Matcher::is_little(std::size_t bytes, const Regex& regex) {
  return bytes <= kLittleBody && bytes * regex.instructions() <= kLittleWork;
}

bool Matcher::search_now(std::string_view body, std::string_view charset, const Regex& regex) {
  std::string storage;
  return regex.found_in(decode(body, charset, storage));
}

asio::awaitable<std::optional<bool>> Matcher::search(std::string body, std::string charset,
                                                     std::shared_ptr<const Regex> regex, common::SteadyTime until) {
  /// A job that nobody waits for any more is not begun, and its body takes no memory in the queue.
  struct Release {
    std::shared_ptr<Job> job;
    ~Release() {
      if (!job->taken.exchange(true)) std::string().swap(job->body);
    }
  };
  if (!pool_) pool_.emplace(kThreads);
  const auto job = std::make_shared<Job>(std::move(body), std::move(charset), std::move(regex));
  const auto answer = std::make_shared<Answer>(io_);
  const Release release{job};
  // Not offload(): a search has no limit of its own, so the wait for it must be one that can be given up.
  asio::co_spawn(*pool_, Job::work(job),
                 asio::bind_executor(io_, [answer](const std::exception_ptr& failure, bool found) {
                   answer->failure = failure;
                   answer->found = found;
                   answer->ready.notify();
                 }));
  if (!co_await answer->ready.wait_until(until)) co_return std::nullopt;
  if (answer->failure) std::rethrow_exception(answer->failure);
  co_return answer->found;
}

}  // namespace monitor::probe
