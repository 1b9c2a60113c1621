# What a person types. Each target installs what it is missing first (tools/packages), and works in a fresh clone or an
# unpacked tarball, as root or with sudo.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test prove build install lint format asan tsan fuzz coverage deps deps-build deps-test clean

PREFIX ?= /usr/local
DESTDIR ?=
DEMO_SECONDS ?= 20
POSTGRES ?=
SHORT ?=
ONLY ?=
FUZZ_SECONDS ?= 20
JOBS ?= $(shell nproc)
# Many tests wait, for a server or a clock; one more than there are cores keeps these busy, and starves nobody.
TEST_JOBS ?= $(shell echo $$(($$(nproc) + 1)))

# Where threads meet; the rest of the house runs on one.
THREADED = common async net probe storage agent exporter app e2e
# Whose tests count for `make coverage`; those of e2e drive the whole program.
COVERING = storage agent exporter collector app report e2e
space = $(subst ,, )

CTEST = ctest --output-on-failure --no-tests=error --parallel $(TEST_JOBS)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build $(if $(filter 1,$(POSTGRES)),deps-postgres) ## poll an example for DEMO_SECONDS (20); POSTGRES=1 exports it too
	@DEMO_SECONDS='$(DEMO_SECONDS)' tools/demo $(if $(filter 1,$(POSTGRES)),--postgres)

test: deps build/dev/build.ninja ## every test; ends with ctest's summary
	cmake --build --preset dev
	$(CTEST) --test-dir build/dev

prove: deps build ## the short form of every proof: a fault lab around the release binary
	tests/prove all

build: deps-build build/release/build.ninja ## the release binary: build/release/monitor
	cmake --build --preset release --target monitor monitor_example

install: build ## the release under PREFIX (/usr/local), below DESTDIR
	DESTDIR='$(DESTDIR)' cmake --install build/release --prefix '$(PREFIX)'

lint: deps build/dev/build.ninja ## format, the law of includes, clang-tidy
	cmake --build --preset dev
	tools/lint build/dev $(JOBS)

format: deps-test ## rewrite the sources as .clang-format wants them
	tools/sources | xargs clang-format-19 -i

asan: deps build/asan/build.ninja ## every test under AddressSanitizer and UndefinedBehaviorSanitizer
	cmake --build --preset asan
	ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 \
	  $(CTEST) --test-dir build/asan

tsan: deps build/tsan/build.ninja ## every test in which threads meet under ThreadSanitizer
	cmake --build --preset tsan --target monitor monitor_example $(addsuffix _tests,$(THREADED)) postgres_template
	TSAN_OPTIONS=second_deadlock_stack=1 $(CTEST) --test-dir build/tsan --label-regex '^(lab|$(subst $(space),|,$(THREADED)))$$'

coverage: deps build/coverage/build.ninja ## what the tests run of storage, exporter, collector and agent: 85 % of the lines at least
	cmake --build --preset coverage --target monitor monitor_example postgres_template $(addsuffix _tests,$(COVERING))
	rm -rf build/coverage/profiles
	LLVM_PROFILE_FILE='$(CURDIR)/build/coverage/profiles/%4m.profraw' $(CTEST) --test-dir build/coverage \
	  --label-regex '^($(subst $(space),|,$(COVERING)))$$'
	tools/coverage build/coverage

fuzz: deps build/asan/build.ninja ## each fuzz target for FUZZ_SECONDS (20) under the sanitizers of asan
	cmake --build --preset asan --target fuzz_targets
	fuzz/run build/asan '$(FUZZ_SECONDS)' $(JOBS)

bench: build deps-bench build/bench/build.ninja ## the release beside its peers: SHORT=1 takes minutes, ONLY=name one scenario
	cmake --build --preset bench --target monitor_bench
	bench/run $(if $(filter 1,$(SHORT)),--short) $(ONLY:%=--only %)

deps: deps-build deps-test ## every package that building and testing need

deps-build: ## the packages to build with
	@tools/install-packages build

deps-test: ## the packages to test with; leaves no daemon running
	@tools/install-packages postgres test

.PHONY: bench deps-postgres deps-bench
deps-postgres:
	@tools/install-packages postgres

deps-bench:
	@tools/install-packages postgres bench

# Ninja runs CMake again by itself when a CMakeLists.txt changes; only the presets it does not know.
build/%/build.ninja: CMakePresets.json
	cmake --preset $* --log-level=WARNING $(if $(filter release,$*),-DMONITOR_TESTS=OFF)

clean: ## remove build/
	rm -rf build
