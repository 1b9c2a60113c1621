#include "cli/cli.h"

int main(int argc, char** argv) {
  return monitor::cli::main(argc, argv);
}
