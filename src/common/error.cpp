#include "common/error.h"

#include <system_error>

namespace monitor::common {

std::string errno_text(int number) {
  return std::generic_category().message(number);
}

}  // namespace monitor::common
