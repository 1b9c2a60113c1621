#include "net/spare_sockets.h"

#include <boost/asio/execution/context.hpp>
#include <boost/asio/query.hpp>

namespace monitor::net {

namespace asio = boost::asio;

asio::execution_context::id SpareSockets::id;

SpareSockets& SpareSockets::of(const asio::any_io_executor& io) {
  return asio::use_service<SpareSockets>(asio::query(io, asio::execution::context));
}

}  // namespace monitor::net
