#include "support/child.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace monitor::test {
namespace {

std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
  return ends;
}

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& changes) {
  std::map<std::string, std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const auto sign = text.find('=');
    all[text.substr(0, sign)] = text.substr(sign + 1);
  }
  for (const auto& [name, value] : changes) all[name] = value;
  std::vector<std::string> lines;
  lines.reserve(all.size());
  for (const auto& [name, value] : all) lines.push_back(name + "=" + value);
  return lines;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  all.reserve(texts.size() + 1);
  for (auto& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

}  // namespace

Child::Child(const Options& options) {
  auto command = options.command;
  auto environment = merged_environment(options.environment);
  const auto arguments = pointers(command);
  const auto variables = pointers(environment);
  const auto in = make_pipe();
  const auto out = make_pipe();
  const auto err = make_pipe();
  pid_ = ::fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) {
    if (options.own_group) ::setpgid(0, 0);
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::dup2(err[1], STDERR_FILENO);
    ::execve(arguments[0], arguments.data(), variables.data());
    ::_exit(127);
  }
  for (const int descriptor : {in[0], out[1], err[1]}) ::close(descriptor);
  out_reader_ = std::thread([this, descriptor = out[0]] { read(descriptor, out_); });
  err_reader_ = std::thread([this, descriptor = err[0]] { read(descriptor, err_); });
  // Small inputs only: they fit into the pipe.
  if (::write(in[1], options.input.data(), options.input.size()) < 0 && errno != EPIPE) std::abort();
  ::close(in[1]);
}

Child::~Child() {
  if (status_ < 0) {
    ::kill(pid_, SIGKILL);
    wait(std::chrono::seconds{10});
  }
  out_reader_.join();
  err_reader_.join();
}

void Child::read(int descriptor, std::string& into) {
  std::array<char, 16384> part{};
  for (;;) {
    const auto count = ::read(descriptor, part.data(), part.size());
    if (count < 0 && errno == EINTR) continue;
    const std::lock_guard lock(mutex_);
    if (count <= 0) break;
    into.append(part.data(), static_cast<std::size_t>(count));
    changed_.notify_all();
  }
  ::close(descriptor);
  const std::lock_guard lock(mutex_);
  --open_pipes_;
  changed_.notify_all();
}

void Child::signal(int number) const {
  ::kill(pid_, number);
}

bool Child::wait_for(const std::string& text, std::chrono::seconds limit) {
  std::unique_lock lock(mutex_);
  const auto there = [&] { return out_.find(text) != std::string::npos || err_.find(text) != std::string::npos; };
  changed_.wait_for(lock, limit, [&] { return there() || open_pipes_ == 0; });
  return there();
}

int Child::wait(std::chrono::seconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (status_ < 0) {
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended == pid_) {
      status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      // What it wrote last is read before the caller looks at it.
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, std::chrono::seconds{2}, [&] { return open_pipes_ == 0; });
      break;
    }
    if (std::chrono::steady_clock::now() > end) return -1;
    std::this_thread::sleep_for(std::chrono::milliseconds{5});  // waitpid has no time limit of its own
  }
  return status_;
}

std::string Child::out() {
  const std::lock_guard lock(mutex_);
  return out_;
}

std::string Child::err() {
  const std::lock_guard lock(mutex_);
  return err_;
}

}  // namespace monitor::test
