# Orrery: make run, make test, make bench, make install, make deps; make help lists all.
#
# One build directory for each set of options, so that variants live side by side:
#   make B=build/clang-asan CC=clang SAN=1 O=0
.DEFAULT_GOAL := all
SHELL := /bin/bash

B      ?= build
O      ?= 2
SAN    ?= 0
DEBUG  ?= 0
PLANT  ?=
VIZ    ?= 1
PREFIX ?= /usr/local

ifeq ($(origin CC),default)
CC := gcc
endif

WARN    := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
CFLAGS  := -std=c11 -D_GNU_SOURCE -O$(O) -g -fno-omit-frame-pointer -fno-strict-aliasing $(WARN) -I. -MMD -MP $(EXTRA_CFLAGS)
LDFLAGS := $(EXTRA_LDFLAGS)
ifeq ($(SAN),1)
CFLAGS  += -fsanitize=address,undefined -fno-sanitize-recover=all
LDFLAGS += -fsanitize=address,undefined
endif
ifeq ($(DEBUG),1)
CFLAGS  += -DORRERY_DEBUG
endif
ifneq ($(PLANT),)
CFLAGS  += -DORRERY_PLANT=PLANT_$(PLANT)
endif

ROOMS := sim rt mmu nic cpu san vm cluster testbed
LIBS  := -lyaml -ljansson -lpcap -lz

LIB_SOURCES  := $(foreach room,$(ROOMS),$(wildcard $(room)/*.c))
CLI_SOURCES  := $(wildcard cli/*.c)
LIB_OBJECTS  := $(LIB_SOURCES:%.c=$B/%.o)
CLI_OBJECTS  := $(CLI_SOURCES:%.c=$B/%.o)

all: $(if $(CLI_SOURCES),$B/orrery) $B/liborrery.a
.PHONY: all

$B/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<

# Made anew each time: a deleted module must not linger in it.
$B/liborrery.a: $(LIB_OBJECTS)
	@rm -f $@
	ar rcs $@ $^

$B/orrery: $(CLI_OBJECTS) $B/liborrery.a
	$(CC) $(CFLAGS) -o $@ $(CLI_OBJECTS) $B/liborrery.a $(LDFLAGS) $(LIBS)

# ---- tests: a folder is a Criterion suite ---------------------------------------------------------------------------
SUITES := $(patsubst tests/%/,%,$(sort $(dir $(wildcard tests/*/test_*.c))))
define SUITE_RULE
$B/tests/$(1): $$(patsubst %.c,$B/%.o,$$(wildcard tests/$(1)/*.c)) $B/liborrery.a
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) -o $$@ $$(filter %.o,$$^) $B/liborrery.a $$(LDFLAGS) -lcriterion $$(LIBS)
endef
$(foreach suite,$(SUITES),$(eval $(call SUITE_RULE,$(suite))))

# make check-SUITE runs one suite
check-%: $B/tests/%
	$<
unit: $(SUITES:%=$B/tests/%)
	@set -e; for suite in $(SUITES); do $B/tests/$$suite; done
.PHONY: unit

clean:
	rm -rf build
.PHONY: clean

-include $(LIB_OBJECTS:.o=.d) $(CLI_OBJECTS:.o=.d)
-include $(foreach suite,$(SUITES),$(patsubst %.c,$B/%.d,$(wildcard tests/$(suite)/*.c)))
