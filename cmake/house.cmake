# How a folder becomes a library and its tests a program. One static library per folder of src/, linked only by what
# tools/check-includes allows it to include.

add_library(monitor_flags INTERFACE)
target_compile_features(monitor_flags INTERFACE cxx_std_20)
# -pthread: some of the libraries ask for it, and every user of a precompiled header must agree with it.
target_compile_options(monitor_flags INTERFACE -pthread -fPIE)
target_link_options(monitor_flags INTERFACE -pthread -pie)
target_include_directories(monitor_flags INTERFACE "${PROJECT_SOURCE_DIR}/src")
# With aligned_alloc() Asio would not call the new handler, through which memory kept back is freed (common/memory.h).
target_compile_definitions(
  monitor_flags
  INTERFACE BOOST_ASIO_SEPARATE_COMPILATION
            BOOST_ASIO_DISABLE_STD_ALIGNED_ALLOC
            BOOST_ASIO_DISABLE_BOOST_ALIGN
            BOOST_ASIO_NO_DEPRECATED
            BOOST_BEAST_SEPARATE_COMPILATION
            MONITOR_VERSION="${PROJECT_VERSION}")
target_compile_options(
  monitor_flags
  INTERFACE -Wall
            -Wextra
            -Wpedantic
            -Wshadow
            -Wformat=2
            -Wimplicit-fallthrough
            -Wnon-virtual-dtor
            -Woverloaded-virtual
            -Werror
            -Werror=date-time)

if(MONITOR_HARDEN)
  target_compile_options(
    monitor_flags
    INTERFACE -U_FORTIFY_SOURCE
              -D_FORTIFY_SOURCE=3
              -D_GLIBCXX_ASSERTIONS
              -fstack-protector-strong
              -fstack-clash-protection
              -fcf-protection=full
              -ftrivial-auto-var-init=zero
              -fzero-call-used-regs=used-gpr
              -fno-delete-null-pointer-checks
              -fno-strict-overflow
              -fno-strict-aliasing
              -fstrict-flex-arrays=3
              -fno-plt)
  target_link_options(monitor_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code,--as-needed,--build-id=sha1)
endif()

if(MONITOR_SANITIZE)
  target_compile_options(monitor_flags INTERFACE -fsanitize=${MONITOR_SANITIZE} -fno-sanitize-recover=all
                                                 -fno-omit-frame-pointer)
  target_link_options(monitor_flags INTERFACE -fsanitize=${MONITOR_SANITIZE})
endif()

if(MONITOR_COVERAGE)
  target_compile_options(monitor_flags INTERFACE -fprofile-instr-generate -fcoverage-mapping)
  target_link_options(monitor_flags INTERFACE -fprofile-instr-generate)
endif()

if(MONITOR_FUZZ)
  target_compile_options(monitor_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(monitor_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Two precompiled headers, the standard library with fmt, and the same with Asio's coroutines; and two more of the same
# with GoogleTest, for the tests.
set(MONITOR_STD_HEADERS
    <algorithm>
    <chrono>
    <cstdint>
    <filesystem>
    <functional>
    <map>
    <memory>
    <optional>
    <string>
    <string_view>
    <unordered_map>
    <vector>
    <fmt/format.h>)
set(MONITOR_ASIO_HEADERS
    <boost/asio/awaitable.hpp>
    <boost/asio/bind_cancellation_slot.hpp>
    <boost/asio/co_spawn.hpp>
    <boost/asio/io_context.hpp>
    <boost/asio/ip/tcp.hpp>
    <boost/asio/post.hpp>
    <boost/asio/steady_timer.hpp>
    <boost/asio/thread_pool.hpp>
    <boost/asio/use_awaitable.hpp>)

# monitor_pch(NAME HEADERS lib...): a precompiled header that targets with the same flags use by REUSE_FROM.
function(monitor_pch name headers)
  file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/pch.cpp" CONTENT "")
  add_library(${name} STATIC "${CMAKE_CURRENT_BINARY_DIR}/pch.cpp")
  target_link_libraries(${name} PUBLIC monitor_flags ${ARGN})
  target_precompile_headers(${name} PRIVATE ${headers})
endfunction()

# monitor_library(NAME [PCH std|asio] [LINKS lib...] [PRIVATE lib...])
function(monitor_library name)
  cmake_parse_arguments(ARG "" "PCH" "LINKS;PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  add_library(monitor_${name} STATIC ${sources})
  target_link_libraries(
    monitor_${name}
    PUBLIC monitor_flags ${ARG_LINKS}
    PRIVATE ${ARG_PRIVATE})
  if(ARG_PCH)
    target_precompile_headers(monitor_${name} REUSE_FROM monitor_pch_${ARG_PCH})
  endif()
endfunction()

# monitor_tests(NAME [PCH std|asio] [POSTGRES] [SHARDS n] [LINKS lib...]): tests/NAME/*_test.cpp as one program; ctest runs
# each TEST apart, so that a crash or a hang in one of them names it, or with SHARDS that many parts of the program, where
# what the tests share costs more than they do. A sanitizer takes longer to start than most tests take: under one there
# are always parts, but where the tests are SLOW, and each better stays by itself. What costs most is begun first.
function(monitor_tests name)
  cmake_parse_arguments(ARG "POSTGRES;SLOW" "PCH;TIMEOUT;SHARDS" "LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  if(NOT sources)
    return()
  endif()
  add_executable(${name}_tests ${sources})
  target_include_directories(${name}_tests PRIVATE "${PROJECT_SOURCE_DIR}/tests")
  target_link_libraries(${name}_tests PRIVATE ${ARG_LINKS} GTest::gmock GTest::gtest_main)
  target_compile_definitions(
    ${name}_tests PRIVATE MONITOR_SOURCE_DIR="${PROJECT_SOURCE_DIR}" MONITOR_BINARY="$<TARGET_FILE:monitor>"
                          MONITOR_EXAMPLE="$<TARGET_FILE:monitor_example>")
  if(ARG_PCH)
    target_precompile_headers(${name}_tests REUSE_FROM monitor_pch_${ARG_PCH}_tests)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  if(MONITOR_SANITIZE AND NOT ARG_SHARDS AND NOT ARG_SLOW)
    set(ARG_SHARDS 4)
    math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * 5")
  endif()
  set(needs)
  if(ARG_POSTGRES)
    set(needs FIXTURES_REQUIRED postgres_template ENVIRONMENT MONITOR_POSTGRES_TEMPLATE=${MONITOR_POSTGRES_TEMPLATE})
  endif()
  if(ARG_SHARDS)
    math(EXPR last "${ARG_SHARDS} - 1")
    foreach(shard RANGE ${last})
      add_test(NAME ${name}.${shard} COMMAND ${name}_tests)
      set_tests_properties(${name}.${shard} PROPERTIES TIMEOUT ${ARG_TIMEOUT} COST 20 LABELS ${name} ${needs})
      set_property(TEST ${name}.${shard} APPEND PROPERTY ENVIRONMENT GTEST_TOTAL_SHARDS=${ARG_SHARDS}
                                                         GTEST_SHARD_INDEX=${shard})
    endforeach()
    return()
  endif()
  set(cost 0)
  if(ARG_SLOW)
    set(cost 10)
  endif()
  gtest_discover_tests(
    ${name}_tests
    TEST_PREFIX "${name}."
    DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${ARG_TIMEOUT} COST ${cost} LABELS ${name} ${needs})
endfunction()
