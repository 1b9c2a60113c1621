// The example application: something on which `monitor` can be tried.
#include <charconv>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <span>
#include <stdexcept>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "server.h"

namespace {

namespace asio = boost::asio;
using monitor::example::Server;

constexpr const char* kUsage =
    "Usage: monitor_example [--port N] [--bind ADDRESS]\n"
    "\n"
    "A small HTTP server to try monitor on: / answers 200, /openapi.json a document, /slow after a second (?ms=N:\n"
    "after N milliseconds), /flaky 503 every third time, /error 500, anything else 404. Ends at SIGINT or SIGTERM.\n"
    "\n"
    "  --port N        the port to listen on; 0, the default, takes any free one\n"
    "  --bind ADDRESS  the address to listen on, 127.0.0.1 by default\n";

struct Options {
  asio::ip::tcp::endpoint where{asio::ip::address_v4::loopback(), 0};
  bool help = false;
};

std::uint16_t port_of(const std::string& text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw std::invalid_argument("--port takes a number from 0 to 65535, not '" + text + "'");
  }
  return port;
}

Options options_of(std::span<char*> arguments) {
  Options options;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string name = arguments[i];
    if (name == "--help") {
      options.help = true;
      return options;
    }
    if (name != "--port" && name != "--bind") throw std::invalid_argument("unknown argument '" + name + "'");
    if (++i == arguments.size()) throw std::invalid_argument(name + " needs a value");
    const std::string value = arguments[i];
    if (name == "--port") {
      options.where.port(port_of(value));
    } else {
      boost::system::error_code failure;
      options.where.address(asio::ip::make_address(value, failure));
      if (failure) throw std::invalid_argument("--bind takes an IPv4 or IPv6 address, not '" + value + "'");
    }
  }
  return options;
}

asio::awaitable<void> stop_at_signal(Server& server, monitor::async::TaskGroup& tasks) {
  asio::signal_set signals(co_await asio::this_coro::executor, SIGINT, SIGTERM);
  co_await signals.async_wait(asio::use_awaitable);
  co_await server.stop();
  tasks.cancel();
}

void serve(const Options& options) {
  asio::io_context io(1);
  Server server(io.get_executor(), options.where);
  monitor::async::TaskGroup tasks(io.get_executor(), [](const std::string& name, const std::exception_ptr&) {
    std::fprintf(stderr, "monitor_example: a bug ended %s\n", name.c_str());
  });
  tasks.spawn("the listener", server.accept());
  tasks.spawn("the signal handler", stop_at_signal(server, tasks));
  std::cout << "listening on http://" << server.endpoint() << std::endl;
  io.run();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto options = options_of({argv, static_cast<std::size_t>(argc)});
    if (options.help) {
      std::cout << kUsage;
      return 0;
    }
    serve(options);
    return 0;
  } catch (const std::invalid_argument& error) {
    std::cerr << "monitor_example: " << error.what() << "\n\n" << kUsage;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "monitor_example: cannot serve: " << error.what() << '\n';
    return 1;
  }
}
