// Makes the PostgreSQL cluster that the tests of one ctest run copy: `postgres_template FOLDER`.
#include <cstdio>
#include <exception>

#include "support/postgres.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: postgres_template FOLDER\n", stderr);
    return 2;
  }
  try {
    monitor::test::Postgres::make_template(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
