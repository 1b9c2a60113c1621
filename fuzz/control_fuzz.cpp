// The control socket's lines: whatever a client or a daemon sends is a request or an answer, or is refused in a
// sentence.
//
// The input is the line.
#include <cstddef>
#include <cstdint>

#include <boost/json/serialize.hpp>

#include "app/control_protocol.h"
#include "common/error.h"
#include "fuzz.h"

using namespace monitor;

namespace {

void check_request(std::string_view line) {
  try {
    const auto request = app::control::parse_request(line);
    fuzz::require(!request.command.empty() && request.command.size() <= 64, "a command is short");
    fuzz::require(fuzz::is_inert(request.command), "a command is inert");
    fuzz::require(!request.arguments.contains("command"), "the command is no argument of itself");
    const auto answer = app::control::answer_line(request.arguments);
    fuzz::require(answer.find('\n') == answer.size() - 1, "an answer is one line");
    app::control::parse_answer(std::string_view(answer).substr(0, answer.size() - 1));
  } catch (const common::Error& error) {
    fuzz::require_sentence(error.what());
  }
}

void check_refusal(std::string_view text) {
  const auto line = app::control::refusal_line(text);
  fuzz::require(line.find('\n') == line.size() - 1, "a refusal is one line");
  try {
    app::control::parse_answer(std::string_view(line).substr(0, line.size() - 1));
    fuzz::require(false, "a refusal is no answer");
  } catch (const common::Error&) {
    return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  check_request(line);
  check_refusal(line);
  try {
    app::control::parse_answer(line);
  } catch (const common::Error&) {
    return 0;
  }
  return 0;
}
