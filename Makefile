# A thin front for CMake and Ninja: every target does the set-up it needs.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
.PHONY: all help run test check rv32 bench fuzz format clean install deps units pages system
MAKEFLAGS += --no-print-directory

BUILD      ?= build
BUILD_SAN  ?= build-sanitize
BUILD_FUZZ ?= build-fuzz
BUILD_RV32 ?= build-rv32
PREFIX     ?= /usr/local
# Ninja takes all cores by itself; `make JOBS=1` keeps a small machine usable.
JOBS       ?=
NINJA      := ninja $(if $(JOBS),-j$(JOBS)) $(shell test -t 2 || echo --quiet)
FUZZ_SECONDS ?= 60

all: $(BUILD)/build.ninja ## build the program: build/attache
	@$(NINJA) -C $(BUILD)

help: ## this list
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: setup-build all ## open a module with an interactive console (ARGS=... for options)
	@$(BUILD)/attache --console $(ARGS)

test: setup-build setup-test all ## every test on the normal build: units, pages, system tests
	@tools/run_tests.py all $(BUILD)

units: setup-build setup-test all ## only the unit tests
	@tools/run_tests.py units $(BUILD)

pages: setup-build setup-test all ## only the pages
	@tools/run_tests.py pages $(BUILD)

system: setup-build setup-test all ## only the system tests (ARGS=... for pytest)
	@tools/run_tests.py system $(BUILD) $(ARGS)

check: setup-build setup-test all ## the gate: style, layering, drift, coverage, sanitizers, a short fuzz run
	@BUILD=$(BUILD) BUILD_SAN=$(BUILD_SAN) BUILD_FUZZ=$(BUILD_FUZZ) tools/check.sh

sanitize: $(BUILD_SAN)/build.ninja
	@$(NINJA) -C $(BUILD_SAN)

fuzzers: $(BUILD_FUZZ)/build.ninja
	@$(NINJA) -C $(BUILD_FUZZ) fuzzers

fuzz: setup-build setup-test fuzzers ## fuzz every target for FUZZ_SECONDS (60)
	@tools/run_fuzz.sh $(BUILD_FUZZ) $(FUZZ_SECONDS)

rv32: setup-rv32 deps ## compile the portable part for RV32IMC and print its size per folder
	@test -f $(BUILD_RV32)/build.ninja || cmake -S . -B $(BUILD_RV32) -G Ninja --log-level=WARNING \
	    -DCMAKE_TOOLCHAIN_FILE=cmake/rv32.cmake
	@$(NINJA) -C $(BUILD_RV32)
	@tools/size_report.py $(BUILD_RV32)

bench: setup-build setup-test all ## measure, print a table; nothing passes or fails by time
	@$(NINJA) -C $(BUILD) bench-programs
	@tools/run_tests.py bench $(BUILD) $(ARGS)

format: setup-test ## format every source file in place
	@tools/format.sh

install: all ## install the program below PREFIX (/usr/local)
	@cmake --install $(BUILD) --prefix $(PREFIX)

clean: ## remove every build directory (the fetched sources stay)
	rm -rf build build-*

# --- set-up -----------------------------------------------------------------------------------------------------------

.PHONY: setup-build setup-test setup-rv32 sanitize fuzzers
setup-build setup-test setup-rv32: setup-%:
	@tools/setup.sh $*

# The set-up group of a build comes first even with -j.
all rv32 sanitize fuzzers: | setup-build
$(BUILD)/build.ninja $(BUILD_SAN)/build.ninja $(BUILD_FUZZ)/build.ninja: | setup-build deps
fuzzers $(BUILD_FUZZ)/build.ninja: | setup-test

deps: ## fetch and check lwIP and Mbed TLS (also LWIP_DIR=, MBEDTLS_DIR=)
	@if [ -n "$(LWIP_DIR)$(MBEDTLS_DIR)" ] || ! [ third_party/lwip.stamp -nt third_party.lock -a \
	    third_party/mbedtls.stamp -nt third_party.lock ]; then \
	    LWIP_DIR="$(LWIP_DIR)" MBEDTLS_DIR="$(MBEDTLS_DIR)" tools/fetch_deps.py; fi

$(BUILD)/build.ninja:
	@cmake -S . -B $(BUILD) -G Ninja --log-level=WARNING

$(BUILD_SAN)/build.ninja:
	@cmake -S . -B $(BUILD_SAN) -G Ninja --log-level=WARNING -DATTACHE_SANITIZE=ON

$(BUILD_FUZZ)/build.ninja:
	@cmake -S . -B $(BUILD_FUZZ) -G Ninja --log-level=WARNING -DATTACHE_FUZZ=ON -DATTACHE_SANITIZE=ON \
	    -DCMAKE_C_COMPILER=clang
