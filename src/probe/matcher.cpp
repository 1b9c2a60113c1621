#include "probe/matcher.h"

#include <algorithm>
#include <atomic>
#include <exception>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>

#include "async/event.h"
#include "probe/evidence.h"

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

/// What the pool's thread works on. Who takes it first owns `work`: that thread, or who no longer waits.
struct Matcher::Job {
  std::function<void()> work;
  const void* service;
  std::atomic<bool> taken = false;

  static asio::awaitable<void> run(std::shared_ptr<Job> job) {
    if (!job->taken.exchange(true)) job->work();
    co_return;
  }
};

/// What the io thread alone touches.
struct Matcher::Answer {
  explicit Answer(const asio::any_io_executor& io) : ready(io) {}
  async::Event ready;
  std::exception_ptr failure;
};

Matcher::Matcher(asio::any_io_executor io)
    : io_(std::move(io)), unseen_(std::make_shared<std::vector<std::weak_ptr<const Job>>>()) {
  constexpr std::size_t kEnough = 64;  // one is put there where nothing may be thrown
  unseen_->reserve(kEnough);
}

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

asio::awaitable<std::variant<Findings, Matcher::GivenUp>> Matcher::inspect(Received received,
                                                                           SharedExpectations expectations,
                                                                           common::SteadyTime until,
                                                                           const void* service) {
  if (still_works_for(service)) co_return GivenUp{true};
  struct Inspection {
    Received received;
    SharedExpectations expectations;
    Findings findings{};
  };
  const auto what = std::make_shared<Inspection>(std::move(received), std::move(expectations));
  std::function<void()> work = [what] { what->findings = probe::inspect(what->received, *what->expectations); };
  if (const auto late = co_await run(std::move(work), until, service)) co_return *late;
  co_return std::move(what->findings);
}

bool Matcher::is_little_evidence(std::size_t bytes, const Expectations& expectations) {
  return bytes * expectations.redact_instructions() <= kLittleWork;
}

asio::awaitable<std::optional<std::string>> Matcher::evidence(std::string head, std::string body,
                                                              SharedExpectations expectations, SharedSecrets secrets,
                                                              common::SteadyTime until) {
  struct Evidence {
    std::string head, body;
    SharedExpectations expectations;
    SharedSecrets secrets;
    std::string text{};
  };
  const auto what =
      std::make_shared<Evidence>(std::move(head), std::move(body), std::move(expectations), std::move(secrets));
  std::function<void()> work = [what] {
    what->text = evidence_text(what->head, what->body, *what->expectations, what->secrets.get());
  };
  if (co_await run(std::move(work), until, nullptr)) co_return std::nullopt;
  co_return std::move(what->text);
}

bool Matcher::still_works_for(const void* service) const {
  return service != nullptr && std::ranges::any_of(*unseen_, [service](const auto& one) {
           const auto job = one.lock();
           return job && job->service == service;
         });
}

asio::awaitable<std::optional<Matcher::GivenUp>> Matcher::run(std::function<void()> work, common::SteadyTime until,
                                                              const void* service) {
  /// A job that nobody waits for any more is not begun, and what it holds takes no memory in the queue.
  struct Release {
    std::shared_ptr<std::vector<std::weak_ptr<const Job>>> unseen;
    std::shared_ptr<Job> job;
    bool ended = false;
    ~Release() {
      if (!job->taken.exchange(true)) {
        job->work = nullptr;
      } else if (!ended) {
        unseen->push_back(job);
      }
    }
  };
  if (!pool_) pool_.emplace(kThreads);
  std::erase_if(*unseen_, [](const auto& one) { return one.expired(); });
  const auto job = std::make_shared<Job>(std::move(work), service);
  const auto answer = std::make_shared<Answer>(io_);
  Release release{unseen_, job};
  // Not offload(): a search has no limit of its own, so the wait for it must be one that can be given up.
  asio::co_spawn(*pool_, Job::run(job), asio::bind_executor(io_, [answer](const std::exception_ptr& failure) {
    answer->failure = failure;
    answer->ready.notify();
  }));
  release.ended = co_await answer->ready.wait_until(until);
  if (!release.ended) co_return GivenUp{job->taken.load()};
  if (answer->failure) std::rethrow_exception(answer->failure);
  co_return std::nullopt;
}

}  // namespace monitor::probe
