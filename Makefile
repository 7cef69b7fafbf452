# Orrery: make run, make test, make bench, make install, make deps; make help lists all.
#
# One build directory for each set of options, so that variants live side by side:
#   make B=build/clang-asan CC=clang SAN=1 O=1
# A change of options in the same directory rebuilds what it concerns, for all that is made depends on a stamp of them.
.DEFAULT_GOAL := all
SHELL := /bin/bash
.DELETE_ON_ERROR:

B      ?= build
O      ?= 2
SAN    ?= 0
DEBUG  ?= 0
FUZZ   ?= 0
PLANTS ?= 0
VIZ    ?= 1
V      ?= 0
PREFIX ?= /usr/local
DESTDIR ?=

ifeq ($(origin CC),default)
CC := gcc
endif

# All cores, unless the caller says how many; a make inside a make takes its jobs from the outer one.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --no-print-directory

WARN    := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
CFLAGS  := -std=c11 -D_GNU_SOURCE -O$(O) -g -fno-omit-frame-pointer -fno-strict-aliasing $(WARN) -I. -MMD -MP $(EXTRA_CFLAGS)
LDFLAGS := $(EXTRA_LDFLAGS)
ifeq ($(SAN),1)
CFLAGS  += -fsanitize=address,undefined -fno-sanitize-recover=all
LDFLAGS += -fsanitize=address,undefined
endif
ifeq ($(FUZZ),1)
CFLAGS  += -fsanitize=fuzzer-no-link
endif
ifeq ($(DEBUG),1)
CFLAGS  += -DORRERY_DEBUG
endif
ifeq ($(PLANTS),1)
CFLAGS  += -DORRERY_PLANTS
endif

ROOMS := sim rt mmu nic cpu san vm cluster testbed
LIBS  := -lyaml -ljansson -lpcap -lz

LIB_SOURCES  := $(foreach room,$(ROOMS),$(wildcard $(room)/*.c))
CLI_SOURCES  := $(wildcard cli/*.c)
LIB_OBJECTS  := $(LIB_SOURCES:%.c=$B/%.o)
TEMPLATES    := $(sort $(wildcard scenarios/templates/*.yaml))
CLI_OBJECTS  := $(CLI_SOURCES:%.c=$B/%.o) $(if $(TEMPLATES),$B/generated/templates.o)
ORRERY       := $(if $(CLI_SOURCES),$B/orrery)
SUITES       := $(patsubst tests/%/,%,$(sort $(dir $(wildcard tests/*/test_*.c))))
FUZZERS      := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

# Recipes say one short line for each file; V=1 shows the commands.
Q    := $(if $(filter 1,$(V)),,@)
say   = @$(if $(filter 1,$(V)),:,printf '  %-5s %s\n' $(1) $@)

## build
all: $(ORRERY) $B/liborrery.a                 ## the program and its library, in B (default: build)
.PHONY: all

# Stamps: rewritten only when what they hold has changed. The one of options makes objects, the one of names makes what is
# linked from them, so that a module that was deleted does not linger in an archive.
OPTIONS := $(CC) | $(CFLAGS) | $(LDFLAGS) | $(LIBS)
NAMES   := $(LIB_SOURCES) $(CLI_SOURCES) $(TEMPLATES) $(sort $(wildcard tests/*/*.c))
stamp    = @mkdir -p $(@D); printf '%s\n' $(quoted) | cmp -s - $@ || printf '%s\n' $(quoted) >$@
quoted   = '$(subst ','\'',$(1))'
$B/options.stamp: FORCE
	$(call stamp,$(OPTIONS))
$B/names.stamp: FORCE
	$(call stamp,$(NAMES))
FORCE:
.PHONY: FORCE

$B/%.o: %.c $B/options.stamp
	@mkdir -p $(@D)
	$(call say,CC)
	$Q$(CC) $(CFLAGS) -c -o $@ $<

# What `orrery new` writes is part of the program.
$B/generated/templates.c: $(TEMPLATES) scripts/embed-templates.sh $B/names.stamp
	@mkdir -p $(@D)
	@scripts/embed-templates.sh $(TEMPLATES) >$@
$B/generated/templates.o: $B/generated/templates.c cli/templates.h $B/options.stamp
	$(call say,CC)
	$Q$(CC) $(CFLAGS) -c -o $@ $<

$B/liborrery.a: $(LIB_OBJECTS) $B/names.stamp
	$(call say,AR)
	@rm -f $@
	$Qar rcs $@ $(LIB_OBJECTS)

$B/orrery: $(CLI_OBJECTS) $B/liborrery.a $B/names.stamp
	$(call say,LINK)
	$Q$(CC) $(CFLAGS) -o $@ $(CLI_OBJECTS) $B/liborrery.a $(LDFLAGS) $(LIBS)

## first steps
DEPS ?= run test
deps:                                       ## install the Debian packages that are missing (YES=1, NO_INSTALL=1, DEPS='run test')
	@VIZ=$(VIZ) scripts/deps.sh $(DEPS)
run:                                        ## set up, build, and run scenarios/live-migration.yaml
	@VIZ=$(VIZ) scripts/deps.sh run
	@$(MAKE) all
	@$B/orrery run scenarios/live-migration.yaml
test:                                       ## set up, then everything that proves it; ends with a line "N passed, N failed"
	@VIZ=$(VIZ) scripts/deps.sh run test
	@scripts/run-tests.sh
bench: all                                  ## what orrery bench measures (bench/peers has others to run beside it)
	@$B/orrery bench
help:                                       ## this list
	@awk -F':.*## ' '/^## / { print "\n" substr($$0, 4) } /^[a-z%][a-z% -]*:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile
.PHONY: deps run test bench help

## tests, one kind at a time
# A folder of tests/ that holds test_*.c is a Criterion suite.
define SUITE_RULE
$B/suites/$(1): $$(patsubst %.c,$B/%.o,$$(wildcard tests/$(1)/*.c)) $B/liborrery.a $B/names.stamp
	@mkdir -p $$(@D)
	$$(call say,LINK)
	$$Q$$(CC) $$(CFLAGS) -o $$@ $$(filter %.o,$$^) $B/liborrery.a $$(LDFLAGS) -lcriterion $$(LIBS)
endef
$(foreach suite,$(SUITES),$(eval $(call SUITE_RULE,$(suite))))

check-%: $B/suites/%                        ## one suite: make check-sim
	$<
suites: $(SUITES:%=$B/suites/%)             ## build all suites, run none
list-suites:
	@echo $(SUITES)
unit: suites                                ## all suites, in this build only
	@set -e; for suite in $(SUITES); do $B/suites/$$suite; done
check-includes:                             ## who includes whom (scripts/include-rules.txt)
	@scripts/check-includes.sh
check-walls: all                            ## what node software calls and keeps, and what the program is linked with
	@scripts/check-walls.sh $B
matrix:                                     ## the small goldens under eight sets of settings that cover every pair
	@scripts/matrix.sh
test-matrix:                                ## the same under every combination of settings (long)
	@scripts/matrix.sh --product
plants:                                     ## each planted bug of tests/plants.txt is found by its oracles
	@scripts/plants.sh
golden:                                     ## rewrite tests/golden from what the program does now
	@$(MAKE) all
	@scripts/golden.sh write
docs: all                                   ## rewrite the pages and schemas that the program prints itself
	@scripts/docs.sh write
.PHONY: suites list-suites unit check-includes check-walls matrix test-matrix plants golden docs

# A fuzzer is a tests/fuzz/fuzz_NAME.c with LLVMFuzzerTestOneInput; tests/fuzz/corpus/NAME holds what it starts from.
$B/fuzz/%: $B/tests/fuzz/fuzz_%.o $B/liborrery.a $B/names.stamp
	@mkdir -p $(@D)
	$(call say,LINK)
	$Q$(CC) $(CFLAGS) -fsanitize=fuzzer -o $@ $< $B/liborrery.a $(LDFLAGS) $(LIBS)
fuzzers: $(FUZZERS:%=$B/fuzz/%)
.SECONDARY: $(FUZZERS:%=$B/tests/fuzz/fuzz_%.o)
FUZZ_SECONDS ?= 60
FUZZ_NAMES   ?= $(FUZZERS)
fuzz:                                       ## all fuzzers, or FUZZ_NAMES='a b', for FUZZ_SECONDS each (60)
	@$(MAKE) B=build/fuzz CC=clang SAN=1 O=1 FUZZ=1 fuzzers
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz.sh build/fuzz $(FUZZ_NAMES)
list-fuzzers:
	@echo $(FUZZERS)
.PHONY: fuzz fuzzers list-fuzzers

## layout
FORMATTED = $(shell git ls-files --cached --others --exclude-standard '*.c' '*.h' ':!bench/peers')
format:                                     ## let clang-format lay out all C files
	@clang-format -i $(FORMATTED)
check-format:                               ## say which are laid out otherwise
	@clang-format --dry-run -Werror $(FORMATTED)
.PHONY: format check-format

## install
bindir        := $(DESTDIR)$(PREFIX)/bin
mandir        := $(DESTDIR)$(PREFIX)/share/man/man1
completiondir := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
docdir        := $(DESTDIR)$(PREFIX)/share/doc/orrery
datadir       := $(DESTDIR)$(PREFIX)/share/orrery
install: all                                ## into PREFIX (/usr/local), below DESTDIR
	install -d $(bindir) $(mandir) $(completiondir) $(docdir) $(datadir)
	$(if $(ORRERY),install -m 755 $B/orrery $(bindir)/orrery)
	install -m 644 docs/orrery.1 $(mandir)/orrery.1
	install -m 644 scripts/orrery.bash $(completiondir)/orrery
	install -m 644 LICENSE $(wildcard README.md docs/*.md docs/*.json) $(docdir)
	$(if $(wildcard scenarios/.),cp -R --no-preserve=ownership scenarios $(datadir)/)
uninstall:                                  ## takes away what install put there
	rm -f $(bindir)/orrery $(mandir)/orrery.1 $(completiondir)/orrery
	rm -rf $(docdir) $(datadir)
clean:                                      ## takes away all build directories
	rm -rf build
.PHONY: install uninstall clean

-include $(LIB_OBJECTS:.o=.d) $(CLI_OBJECTS:.o=.d) $(FUZZERS:%=$B/tests/fuzz/fuzz_%.d)
-include $(foreach suite,$(SUITES),$(patsubst %.c,$B/%.d,$(wildcard tests/$(suite)/*.c)))
