#include "exporter/shipper.h"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include "common/log.h"
#include "exporter/refused_rows.h"
#include "exporter/sqlstate.h"
#include "exporter/substitute.h"

namespace monitor::exporter {

namespace asio = boost::asio;
namespace log = common::log;
using boost::asio::awaitable;

namespace {

constexpr std::size_t kFewestRows = 100;
/// Numbers of each kind whose rows are compared in one call.
constexpr std::int64_t kMostCompared = 10'000;
constexpr std::string_view kCanceled = "57014";  // also by Limits::statement

}  // namespace

Shipper::Shipper(boost::asio::any_io_executor io, const std::string& uri, const Limits& limits, storage::Store& store,
                 const async::Clock& clock)
    : io_(std::move(io)),
      store_(store),
      clock_(clock),
      limits_(limits),
      link_(io_, uri, limits),
      server_clock_(clock),
      strays_(clock, limits.clock_patience),
      batch_rows_(limits.batch_rows) {}

awaitable<void> Shipper::connect() {
  const async::Doing::Mark mark(doing_, "connecting");
  co_await link_.connect();
  check_open();
  auto head = co_await open_sink();
  const auto found = co_await settle(head, shared_);
  if (found.standing == Standing::kAhead) {
    co_await store_.new_epoch(found.through);
    check_open();
    head = co_await open_sink();
    co_await settle(head, false);
  }
  co_await store_.agree();
  check_open();
  shared_ = false;
  connected_ = true;
}

awaitable<storage::Cursor> Shipper::open_sink() {
  const auto identity = co_await store_.identity();
  check_open();
  const auto opened =
      co_await link_.call([this, id = identity.agent_id](Session& session) { return sink_.open(session, id); });
  check_open();
  agent_id_ = identity.agent_id;
  server_clock_.heard(opened.schema.now);
  announce(opened);
  co_return opened.head;
}

void Shipper::announce(const Opened& opened) {
  where_ = opened.where;
  if (opened.schema.view != "monitoring" && !std::exchange(view_announced_, true)) {
    log::warning(
        "a table named monitoring is already in the database and is left as it is; the view is called {}; "
        "`monitor config databases adopt` puts both behind one view",
        opened.schema.view);
  }
  if (!opened.exposure.empty() && !std::exchange(exposure_announced_, true)) {
    log::warning(
        "the connection to PostgreSQL at {} {}: who sits between can read and change results and more; add "
        "sslmode=verify-full and sslrootcert=FILE to external_database_uri",
        opened.where, opened.exposure);
  }
  if (repertoire_of(opened.encoding) != Repertoire::kAll && !std::exchange(encoding_announced_, true)) {
    log::warning("the database's encoding is {}: characters that it lacks are exported as \\uNNNN; use UTF8 instead",
                 opened.encoding);
  }
}

awaitable<Comparison> Shipper::settle(storage::Cursor remote, bool shared) {
  const auto identity = co_await store_.identity();
  check_open();
  const auto agreements = co_await agree_on(identity, remote);
  const auto found = compare(identity, remote, agreements, shared);
  cursor_ = identity.exported;
  if (found.standing == Standing::kAhead) {
    log::warning(
        "PostgreSQL has results up to {} of agent {}, of which those up to {} are from this file: the file is a copy "
        "or was restored, and goes on under a new agent id",
        remote.results, identity.agent_id, found.through.results);
    co_return found;
  }
  auto arrived = identity.exported;
  if (found.standing == Standing::kBehind) arrived = found.arrived;
  arrived = co_await back_in_earlier_epochs(arrived);
  if (arrived == identity.exported) co_return found;
  log::warning(
      "PostgreSQL has results up to {} of this file, though {} had arrived: it was restored or failed over, and what "
      "is still here is sent again",
      arrived.results, identity.exported.results);
  co_await store_.rewind(arrived);
  check_open();
  cursor_ = arrived;
  co_return found;
}

awaitable<Agreements> Shipper::agree_on(storage::Identity identity, storage::Cursor remote) {
  using storage::Cursor;
  auto behind = confirmed(identity);
  Agreements found{Agreement(behind.results), Agreement(behind.skipped), Agreement(behind.gaps)};
  const auto more = [&](std::int64_t Cursor::* kind) {
    // One row above all that were given here is enough to differ.
    return behind.*kind < std::min(remote.*kind, identity.head.*kind + 1);
  };
  while (more(&Cursor::results) || more(&Cursor::skipped) || more(&Cursor::gaps)) {
    const Cursor through{.results = behind.results + kMostCompared,
                         .skipped = behind.skipped + kMostCompared,
                         .gaps = behind.gaps + kMostCompared};
    const auto here = co_await store_.marks(behind, through);
    check_open();
    const auto there = co_await link_.call([this, &identity, behind, through](Session& session) {
      return sink_.marks(session, identity.agent_id, behind, through);
    });
    check_open();
    found.results.take(here.results, there.results, identity.head.results);
    found.skipped.take(here.skipped, there.skipped, identity.head.skipped);
    found.gaps.take(here.gaps, there.gaps, identity.head.gaps);
    behind = through;
  }
  co_return found;
}

awaitable<storage::Cursor> Shipper::back_in_earlier_epochs(storage::Cursor arrived) {
  const auto epochs = co_await store_.earlier_epochs();
  check_open();
  std::vector<std::string> ids;
  for (const auto& epoch : epochs) {
    if (epoch.sent != storage::Cursor{}) ids.push_back(epoch.agent_id);
  }
  if (ids.empty()) co_return arrived;
  const auto heads = co_await link_.call([this, &ids](Session& session) { return sink_.heads(session, ids); });
  check_open();
  for (const auto& epoch : epochs) {
    const auto head = heads.find(epoch.agent_id);
    arrived = back_to(arrived, epoch, head == heads.end() ? storage::Cursor{} : head->second);
  }
  co_return arrived;
}

// What was read ahead fits no cursor that is moved back, and no other epoch.
awaitable<void> Shipper::disconnect() {
  connected_ = false;
  ahead_.reset();
  co_await link_.disconnect();
  check_open();
}

awaitable<Shipped> Shipper::ship() {
  auto batch = co_await take();
  if (batch.empty()) co_return Shipped{};
  const bool more = leaves_more(batch);
  const auto through = end_of(batch);
  co_await set_strays_aside(batch);
  store_.sending(through);
  const auto all = Part::all_of(batch, through);

  auto written = more ? co_await write_reading_ahead(batch, through) : co_await write(batch, all);
  if (written.refusal && reaction_to(written.refusal->sqlstate) == Reaction::kTable) {
    sink_.forget_partitions();
    written = co_await write(batch, all);
  }
  if (written.refusal && !may_be_rows(*written.refusal)) throw as_exception(*written.refusal);
  std::size_t set_aside = 0;
  if (written.refusal) set_aside = co_await set_refused_aside(batch, through);

  if (store_.mark_exported(through)) {
    cursor_ = through;
  } else {
    ahead_.reset();  // rows before it were released from quarantine and come first
  }
  budget_.passed(batch.results.size());
  if (quick_) batch_rows_ = std::min(limits_.batch_rows, batch_rows_ * 2);
  co_return Shipped{more ? Progress::kMore : Progress::kExported, batch.results.size() - set_aside};
}

awaitable<storage::Batch> Shipper::take() {
  if (auto ahead = std::exchange(ahead_, std::nullopt); ahead && ahead->behind == cursor_) {
    co_return std::move(ahead->batch);
  }
  auto batch = co_await store_.next_batch(batch_rows_);
  check_open();
  // Not where the last one ended, if rows were released from quarantine meanwhile.
  if (!batch.empty()) cursor_ = batch.behind;
  co_return batch;
}

awaitable<Written> Shipper::write_reading_ahead(const storage::Batch& batch, storage::Cursor through) {
  auto both = asio::experimental::make_parallel_group(
      asio::co_spawn(io_, write(batch, Part::all_of(batch, through)), asio::deferred),
      asio::co_spawn(io_, read_ahead(through, batch_rows_), asio::deferred));
  auto [order, failure, written, unread] =
      co_await both.async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
  check_open();
  if (failure) std::rethrow_exception(failure);
  co_return std::move(written);  // what could not be read ahead is read again, and says why it cannot
}

awaitable<void> Shipper::read_ahead(storage::Cursor through, std::size_t rows) {
  auto batch = co_await store_.batch_behind(through, rows);
  if (!batch.empty()) ahead_ = Ahead{through, std::move(batch)};
}

// A few rows that came meanwhile wait for company.
bool Shipper::leaves_more(const storage::Batch& batch) const {
  return batch.more || store_.backlog() >= static_cast<std::int64_t>(batch.results.size() + kBatchRows);
}

storage::Cursor Shipper::end_of(const storage::Batch& batch) {
  auto end = batch.behind;
  if (!batch.results.empty()) end.results = std::max(end.results, batch.results.back().seq);
  if (!batch.skipped.empty()) end.skipped = std::max(end.skipped, batch.skipped.back().id);
  if (!batch.gaps.empty()) end.gaps = std::max(end.gaps, batch.gaps.back().id);
  return end;
}

// No partition exists, or may be made, for a row outside the window. Whose clock is wrong decides. Where both agree
// now, the row was probably taken while ours was wrong, and no correction will ever let it arrive. Where they do not,
// more than a few such rows mean that good ones would be set aside.
awaitable<void> Shipper::set_strays_aside(storage::Batch& batch) {
  if (strays_of(batch, server_clock_.now()).empty()) co_return strays_.absent(!leaves_more(batch));
  co_await ask_the_time();  // this machine may have slept, or the server's clock been set
  const auto now = server_clock_.now();
  const auto strays = strays_of(batch, now);
  if (strays.empty()) co_return strays_.absent(!leaves_more(batch));
  strays_.judge(batch, strays, now, budget_);
  co_await quarantine(batch, strays);
  std::erase_if(batch.results, [now](const auto& row) { return !in_window(row.requested_at, now); });
}

awaitable<void> Shipper::ask_the_time() {
  const auto now = co_await link_.call([](Session& session) { return server_now(*session.begin()); });
  check_open();
  server_clock_.heard(now);
}

awaitable<Written> Shipper::write(const storage::Batch& batch, Part part) {
  // Until the call is back the next batch is smaller: a link that cannot carry this one in time may carry half of it.
  const auto rows = std::exchange(batch_rows_, std::max(std::min(kFewestRows, batch_rows_), batch_rows_ / 2));
  const auto begin = clock_.steady();
  const async::Doing::Mark mark(doing_, "sending", part.results.size());
  auto written =
      co_await link_.call([this, &batch, part](Session& session) { return sink_.write(session, batch, part); });
  check_open();
  // A server that ends a statement for the time it takes is too slow for as many.
  if (!written.refusal || written.refusal->sqlstate != kCanceled) batch_rows_ = rows;
  quick_ = clock_.steady() - begin < limits_.call / 4;
  if (written.server_now != common::WallTime{}) server_clock_.heard(written.server_now);
  co_return written;
}

awaitable<std::size_t> Shipper::set_refused_aside(const storage::Batch& batch, storage::Cursor head) {
  RefusedRows refused(
      batch, budget_,
      {.write = [&](Part part) { return write(batch, part); }, .takes = [&](Kind kind) { return takes(batch, kind); }});
  const auto results = co_await refused.results();
  if (!results.empty()) co_await quarantine(batch, results);
  budget_.spend(results);
  const auto skipped = co_await refused.others(Kind::kSkipped);
  const auto gaps = co_await refused.others(Kind::kGaps);
  const auto moved = co_await write(batch, {{}, {}, {}, head});
  if (moved.refusal) throw as_exception(*moved.refusal);
  replace(batch, Kind::kSkipped, skipped);
  replace(batch, Kind::kGaps, gaps);
  co_return results.size();
}

awaitable<bool> Shipper::takes(const storage::Batch& batch, Kind kind) {
  const bool takes =
      co_await link_.call([this, &batch, kind](Session& session) { return sink_.takes(session, batch, kind); });
  check_open();
  co_return takes;
}

void Shipper::replace(const storage::Batch& batch, Kind kind, const std::vector<BadRow>& bad) {
  for (const auto& row : bad) {
    const auto gap = gap_in_place_of(batch, kind, row.index, server_clock_.now());
    log::warning("number {} of the {} cannot be exported{}: {}", number_of(batch, kind, row.index), name_of(kind),
                 gap ? ", and becomes a gap, refused" : "", row.reason);
    ++quarantined_;
    if (gap) store_.append(*gap);
  }
}

awaitable<void> Shipper::quarantine(const storage::Batch& batch, const std::vector<BadRow>& bad) {
  std::vector<storage::Quarantined> rows;
  rows.reserve(bad.size());
  for (const auto& row : bad) rows.push_back({batch.results[row.index].seq, row.sqlstate, row.reason});
  log::warning("{} result{} cannot be exported and stay{} in the local table quarantine, from seq {}: {}", rows.size(),
               rows.size() == 1 ? "" : "s", rows.size() == 1 ? "s" : "", rows.front().seq, rows.front().reason);
  const auto count = rows.size();
  co_await store_.quarantine(std::move(rows));
  check_open();
  quarantined_ += count;
}

void Shipper::retire() {
  closed_ = true;
  link_.retire();
}

void Shipper::close() {
  retire();
  link_.close();
}

void Shipper::check_open() const {
  if (closed_) throw boost::system::system_error(boost::asio::error::operation_aborted);
}

}  // namespace monitor::exporter
