#include "exporter/link.h"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

namespace monitor::exporter {

Link::Link(boost::asio::any_io_executor io, std::string uri, Limits limits)
    : io_(std::move(io)), uri_(std::move(uri)), limits_(limits) {}

Link::~Link() {
  close();
}

boost::asio::awaitable<void> Link::connect() {
  check_open();
  co_await async::offload(pool_, [this] {
    drop();
    session_ = Session::open(uri_, limits_, breaker_);
  });
}

boost::asio::awaitable<void> Link::disconnect() {
  check_open();
  co_await async::offload(pool_, [this] { drop(); });
}

void Link::drop() {
  breaker_.trip();  // nothing that destroying a session sends may block
  session_.reset();
}

void Link::check_open() const {
  if (closed_) throw boost::system::system_error(boost::asio::error::operation_aborted);
}

void Link::retire() {
  closed_ = true;
  breaker_.trip_for_good();
}

void Link::close() {
  retire();
  pool_.join();
}

}  // namespace monitor::exporter
