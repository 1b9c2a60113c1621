#include "probe/matcher.h"

#include <atomic>
#include <exception>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>

#include "async/event.h"

namespace monitor::probe {

namespace asio = boost::asio;

namespace {

// One slow inspection leaves the other thread to the rest.
constexpr std::size_t kThreads = 2;
// Decoding a charset costs up to 0.1 µs a byte, so this is 2 ms at most; reading JSON and a digest cost a tenth of it.
constexpr std::size_t kLittleBody = std::size_t{16} << 10;
// Bytes times instructions. The worst measured of RE2 are 6.3 ns for each, so this is 7 ms at most, and twice that
// where `$` is tried again before a final newline. An ordinary expression has fewer than 64 instructions.
constexpr std::size_t kLittleWork = std::size_t{1} << 20;

}  // namespace

/// What the pool's thread works on. Who takes it first owns `received`: that thread, or who no longer waits.
struct Matcher::Job {
  Received received;
  SharedExpectations expectations;
  std::atomic<bool> taken = false;

  static asio::awaitable<Findings> work(std::shared_ptr<Job> job) {
    if (job->taken.exchange(true)) co_return Findings{};
    co_return probe::inspect(job->received, *job->expectations);
  }
};

/// What the io thread alone touches.
struct Matcher::Answer {
  explicit Answer(const asio::any_io_executor& io) : ready(io) {}
  async::Event ready;
  std::exception_ptr failure;
  Findings findings;
};

Matcher::Matcher(asio::any_io_executor io) : io_(std::move(io)) {}

Matcher::~Matcher() = default;

bool Matcher::is_little(const Received& received, const Expectations& expectations) {
  if (!received.coding.empty()) return false;  // a few bytes may become many
  std::size_t fields = 0;
  for (const auto& field : received.fields) fields += field.value.size();
  if (fields * expectations.header_instructions() > kLittleWork) return false;
  const auto bytes = received.body.size();
  return !expectations.needs_body() ||
         (bytes <= kLittleBody && bytes * expectations.body_instructions() <= kLittleWork);
}

asio::awaitable<std::optional<Findings>> Matcher::inspect(Received received, SharedExpectations expectations,
                                                          common::SteadyTime until) {
  /// A job that nobody waits for any more is not begun, and what it holds takes no memory in the queue.
  struct Release {
    std::shared_ptr<Job> job;
    ~Release() {
      if (!job->taken.exchange(true)) job->received = {};
    }
  };
  if (!pool_) pool_.emplace(kThreads);
  const auto job = std::make_shared<Job>(std::move(received), std::move(expectations));
  const auto answer = std::make_shared<Answer>(io_);
  const Release release{job};
  // Not offload(): a search has no limit of its own, so the wait for it must be one that can be given up.
  asio::co_spawn(*pool_, Job::work(job),
                 asio::bind_executor(io_, [answer](const std::exception_ptr& failure, Findings findings) {
                   answer->failure = failure;
                   answer->findings = std::move(findings);
                   answer->ready.notify();
                 }));
  if (!co_await answer->ready.wait_until(until)) co_return std::nullopt;
  if (answer->failure) std::rethrow_exception(answer->failure);
  co_return std::move(answer->findings);
}

}  // namespace monitor::probe
