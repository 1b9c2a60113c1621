#include "net/happy_eyeballs.h"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <memory>
#include <unistd.h>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include "net/attempt.h"
#include "net/deny_list.h"
#include "net/spare_sockets.h"

namespace monitor::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using common::Outcome;
using common::SteadyTime;
using std::chrono::steady_clock;

/// How the failure of an attempt is told in a word, where another one succeeded.
std::string_view word_for(Outcome outcome) {
  switch (outcome) {
    case Outcome::kConnectRefused:
      return "connection refused";
    case Outcome::kConnectTimeout:
      return "no answer";
    case Outcome::kConnectionReset:
      return "connection reset";
    case Outcome::kLocalResource:
      return "it could not be tried";
    case Outcome::kAddressDenied:
      return "limits.deny_networks forbids it";
    default:
      return "no way there";
  }
}

/// Shared with the handlers of its attempts, which may run after the race has ended.
class Race : public std::enable_shared_from_this<Race> {
 public:
  Race(const asio::any_io_executor& io, Addresses addresses, std::uint16_t port, SteadyTime deadline)
      : timer(io),
        addresses_(std::move(addresses)),
        port_(port),
        deadline_(deadline),
        spare_(SpareSockets::of(io)),
        denied_(DenyList::of(io)),
        next_at_(steady_clock::now()),
        delay_(attempt_delay(deadline - next_at_, addresses_.size())) {}

  bool over() const { return winner_ != nullptr || (!more() && pending_ == 0); }
  /// When something is to be done though nothing has happened.
  SteadyTime next_event() const { return more() ? std::min(next_at_, deadline_) : deadline_; }

  /// Begins the next attempt if it is time.
  void advance(SteadyTime now) {
    if (!more() || now < next_at_) return;
    if (pending_ > 0 && !spare_.any() && now < turn_of_next()) {
      next_at_ = turn_of_next();
      return;
    }
    next_at_ += delay_;  // not `now`: on a busy machine the lateness of each would add up to the last one's
    auto& attempt = attempts_.emplace_back(timer.get_executor(), addresses_[attempts_.size()], now);
    if (auto refusal = refuse_address(attempt.address, port_)) return fail(attempt, std::move(*refusal));
    if (auto refusal = denied_.refuse(attempt.address, port_)) return fail(attempt, std::move(*refusal));
    const int result = begin(attempt);
    exhausted_ = result != 0 && !attempt.socket.is_open();
    if (result != EINPROGRESS) return settle(attempt, result);
    if (pending_ > 0 && !spare_.any()) replace_oldest(now);  // only for one that has to wait too
    attempt.waits = true;
    if (++pending_ > 1) spare_.take();
    attempt.socket.async_wait(tcp::socket::wait_write,
                              [self = shared_from_this(), &attempt](const boost::system::error_code& error) {
                                if (!error) self->hear(attempt);
                              });
  }

  RaceResult result() {
    RaceResult out;
    if (winner_ != nullptr) {
      out.socket = std::move(winner_->socket);
      out.peer = winner_->address;
      out.passed_over = passed_over();
    } else {
      out.failure = failure();
    }
    return out;
  }

  void close() {
    for (auto& attempt : attempts_) close(attempt);
  }

  asio::steady_timer timer;  ///< cancelled whenever something has happened

 private:
  struct Attempt {
    Attempt(const asio::any_io_executor& io, asio::ip::address to, SteadyTime when)
        : socket(io), address(std::move(to)), began(when) {}
    tcp::socket socket;
    asio::ip::address address;
    SteadyTime began;
    bool waits = false;  ///< for the answer
    std::optional<Failure> failure;
  };

  /// Without a socket no other address can be tried either.
  bool more() const { return attempts_.size() < addresses_.size() && !exhausted_; }

  int begin(Attempt& attempt) {
    const tcp::endpoint endpoint(attempt.address, port_);
    const auto begun = begin_connect(endpoint);
    if (begun.descriptor < 0) return begun.result;
    boost::system::error_code error;
    attempt.socket.assign(endpoint.protocol(), begun.descriptor, error);
    if (!error) return begun.result;
    ::close(begun.descriptor);
    return error.value();
  }

  void hear(Attempt& attempt) {
    if (!attempt.waits) return;  // its answer was on its way when it was closed
    no_longer_waits(attempt);
    settle(attempt, connect_result(attempt.socket.native_handle()));
    timer.cancel();
  }

  void settle(Attempt& attempt, int result) {
    if (result != 0) return fail(attempt, explain_connect(result, endpoint_text(attempt.address, port_)));
    winner_ = &attempt;
    for (auto& other : attempts_) {
      if (&other != winner_) close(other);
    }
  }

  /// Without sockets to spare the addresses that are left share the time, so that the one whose place is taken had its
  /// part of it.
  SteadyTime turn_of_next() const {
    const auto began = attempts_.back().began;
    return began + (deadline_ - began) / static_cast<int>(addresses_.size() - attempts_.size() + 1);
  }

  /// Its time is up sooner than it would be with sockets to spare; the last address still waits until the deadline.
  void replace_oldest(SteadyTime now) {
    const auto oldest = std::ranges::find_if(attempts_, &Attempt::waits);
    close(*oldest);
    oldest->failure = explain_no_answer(endpoint_text(oldest->address, port_), oldest->began, now);
  }

  /// Of those that wait all but one are spare.
  void no_longer_waits(Attempt& attempt) {
    attempt.waits = false;
    if (--pending_ > 0) spare_.give_back();
  }

  void close(Attempt& attempt) {
    if (attempt.waits) no_longer_waits(attempt);
    boost::system::error_code ignored;
    attempt.socket.close(ignored);
  }

  void fail(Attempt& attempt, Failure why) {
    close(attempt);
    attempt.failure = std::move(why);
    if (&attempt == &attempts_.back() || pending_ == 0) next_at_ = steady_clock::now();
  }

  /// Of the first attempt: those between it and the winner are counted.
  std::string passed_over() const {
    const auto& first = attempts_.front();
    if (&first == winner_) return {};
    const auto winner = std::ranges::find_if(attempts_, [this](const auto& attempt) { return &attempt == winner_; });
    const auto more = winner - attempts_.begin() - 1;
    const auto why = first.failure ? std::string(word_for(first.failure->outcome))
                                   : fmt::format("no answer within {}", waited(steady_clock::now() - first.began));
    return fmt::format("{} was passed over: {}{}", endpoint_text(first.address, port_), why,
                       more == 0 ? std::string{} : fmt::format(", and {} more", more));
  }

  /// When sockets ran out, that is the reason: another address might have answered.
  Failure failure() {
    std::optional<Failure> telling;
    for (auto& attempt : attempts_) {
      auto why = attempt.failure ? std::move(*attempt.failure)
                                 : explain_no_answer(endpoint_text(attempt.address, port_), attempt.began, deadline_);
      if (exhausted_ ? &attempt == &attempts_.back() : outweighs(why, telling)) telling = std::move(why);
    }
    if (!telling) telling = explain_no_answer(endpoint_text(addresses_.front(), port_), deadline_, deadline_);
    const auto of_all =
        attempts_.size() == addresses_.size() ? std::string{} : fmt::format(" of {}", addresses_.size());
    telling->reason += fmt::format(" ({}{} addresses tried)", attempts_.size(), of_all);
    return std::move(*telling);
  }

  Addresses addresses_;
  std::uint16_t port_;
  SteadyTime deadline_;
  SpareSockets& spare_;
  const DenyList& denied_;
  SteadyTime next_at_;
  std::chrono::milliseconds delay_;
  std::deque<Attempt> attempts_;  ///< stay where they are: handlers refer to them
  Attempt* winner_ = nullptr;
  std::size_t pending_ = 0;
  bool exhausted_ = false;
};

/// Closes what has not been taken, however the race ends.
class Ending {
 public:
  explicit Ending(Race& race) : race_(race) {}
  ~Ending() { race_.close(); }
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;

 private:
  Race& race_;
};

}  // namespace

Addresses interleave(const Addresses& addresses) {
  Addresses v6, v4, out;
  for (const auto& address : addresses) (address.is_v6() ? v6 : v4).push_back(address);
  for (std::size_t i = 0; i < std::max(v6.size(), v4.size()); ++i) {
    if (i < v6.size()) out.push_back(v6[i]);
    if (i < v4.size()) out.push_back(v4[i]);
  }
  if (out.size() > kMaxAttempts) out.resize(kMaxAttempts);
  return out;
}

std::chrono::milliseconds attempt_delay(steady_clock::duration left, std::size_t count) {
  const auto share = std::chrono::duration_cast<std::chrono::milliseconds>(left) /
                     static_cast<int>(2 * std::max(count, std::size_t{1}));
  return std::clamp(share, kMinAttemptDelay, kAttemptDelay);
}

asio::awaitable<RaceResult> race(asio::any_io_executor io, Addresses addresses, std::uint16_t port,
                                 SteadyTime deadline) {
  const auto running = std::make_shared<Race>(io, std::move(addresses), port, deadline);
  const Ending ending(*running);
  for (;;) {
    const auto now = steady_clock::now();
    running->advance(now);
    if (running->over() || now >= deadline) break;
    if (running->next_event() <= now) continue;
    running->timer.expires_at(running->next_event());
    boost::system::error_code ignored;
    co_await running->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
      throw boost::system::system_error(asio::error::operation_aborted);
    }
  }
  co_return running->result();
}

}  // namespace monitor::net
