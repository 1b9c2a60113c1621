// The command line: whatever is typed is refused with a sentence or understood, and nothing is done.
//
// The input: arguments, one a line.
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "cli/cli.h"
#include "cli/console.h"
#include "fuzz.h"

using namespace monitor;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::string> arguments;
  std::istringstream lines(std::string(reinterpret_cast<const char*>(data), size));
  for (std::string line; std::getline(lines, line);) arguments.push_back(line);
  std::istringstream in;
  std::ostringstream out, err;
  cli::Console console{in, out, err, [](const auto&, bool) { return cli::kDone; }};
  const int status = cli::parse(arguments, console);
  fuzz::require(status == cli::kDone || status == cli::kWrongUsage, "arguments are understood or wrong");
  fuzz::require(err.str().empty() == (status == cli::kDone), "what is refused is told, and nothing else");
  fuzz::require(fuzz::is_inert(err.str(), true), "what is told is inert");
  return 0;
}
