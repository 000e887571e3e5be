# SPDX-License-Identifier: Apache-2.0
# Tests, analysis, installation: included by Makefile.

SHELL := /bin/bash

# --- tests ---------------------------------------------------------------------------------------
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/*_test.c))
# modules of cli/ that unit tests link; main.c stays out
CLI_PARTS := $(filter-out $(BUILD)/cli/main.o,$(call obj,$(CLI)))

$(BUILD)/unit/filter_test: $(BUILD)/tests/unit/filter_test.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -pie $(LINK) $^ -o $@
$(BUILD)/unit/%_test: $(BUILD)/tests/unit/%_test.o $(CLI_PARTS) $(call obj,$(COMMON))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -pie $(LINK) $^ -o $@ $(LIBS_sbx)

# sbx-jail with a process 1 that lies: only for tests/security/hostile.bats
HOSTILE := $(BUILD)/hostile/sbx-jail
$(BUILD)/hostile/supervise.o: helper/supervise.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -DSBX_COLLECT_MS=3000 -MMD -MP -c $< -o $@
$(HOSTILE): $(call obj,$(filter-out helper/init.c helper/supervise.c,$(HELPER)) $(COMMON)) $(BUILD)/hostile/supervise.o \
		$(BUILD)/tests/hostile/init.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(JAIL_LINK) $(LINK) $^ -o $@ $(LIBS_jail)
	$(Q)for f in sbx-type sbx-scope sbx-probe; do ln -sf ../$$f $(@D)/$$f; done

# runs a command where some calls fail, as in a container: for tests/security/container.bats
$(BUILD)/deny: tests/hostile/deny.c
	$(Q)$(CC) -std=gnu17 -O2 -D_GNU_SOURCE $(WARN) $< -o $@ $(shell $(PKG_CONFIG) --libs libseccomp)

tests: all $(UNIT) $(BUILD)/bench $(HOSTILE) $(BUILD)/deny
.SECONDARY:

# README: the one command that installs what is missing and passes the tests
# (a make of its own, since what this one knows of compilers and libraries is older than the packages)
check: deps-check
	$(Q)$(MAKE) check-here
# the same under the name that some expect
test: check
check-here: tests
	$(Q)BUILD=$(BUILD) TAGS='$(if $(T),,!slow)' tests/run
# the tests that take their time: runs of hundreds, long waits, large files
check-slow: tests
	$(Q)BUILD=$(BUILD) TAGS=slow tests/run tests/cli tests/security tests/docs

# without installing anything: what the hook runs
check-fast: tests
	$(Q)BUILD=$(BUILD) tests/run unit

SANITIZED = $(MAKE) BUILD=$(BUILD)-$(1) SANITIZE=$(2) tests && \
	ASAN_OPTIONS=detect_leaks=0 BUILD=$(BUILD)-$(1) TAGS='$(if $(T),,!slow)' tests/run
asan: ; $(Q)$(call SANITIZED,asan,address)
ubsan: ; $(Q)$(call SANITIZED,ubsan,undefined)
check-clang: ; $(Q)$(MAKE) BUILD=$(BUILD)-clang CC=clang WERROR=1 tests && BUILD=$(BUILD)-clang tests/run unit tests/cli/exec.bats

check-vm: all ; $(Q)contrib/deps.sh vm && BUILD=$(BUILD) tests/vm/check
check-images: all ; $(Q)BUILD=$(BUILD) tests/images/check
# CPython's own suite inside and outside: long, see tests/cpython/run
check-cpython: all ; $(Q)contrib/deps.sh cpython && BUILD=$(BUILD) tests/cpython/run
check-adapter: all ; $(Q)SBX_REAL=$(abspath $(BUILD))/sbx tests/adapter/run.sh
check-clients: all ; $(Q)SBX_REAL=$(abspath $(BUILD))/sbx tests/adapter/run.sh clients

FUZZ_SECONDS ?= 120
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz: $(BUILD)/filters.inc tests
	$(Q)for f in $(FUZZERS); do tests/fuzz/run.sh $$f $(BUILD)-fuzz $(FUZZ_SECONDS) || exit 1; done
	$(Q)BUILD=$(BUILD) HOSTILE_FIRST=$$((RANDOM * 32768 + RANDOM)) HOSTILE_SECONDS=$(FUZZ_SECONDS) FILTER='anything at all' \
		tests/run tests/security/hostile.bats

# --- analysis --------------------------------------------------------------------------------------
C_FILES := $(COMMON) $(CLI) $(HELPER) $(TYPE) $(SCOPE)
analyze: $(BUILD)/filters.inc
	$(Q)V=$(V) tests/analyze.sh $(CPPFLAGS) -Icli -Ihelper -std=gnu17 -O1 -- $(C_FILES)
lint: ; $(Q)CC=$(CC) BUILD=$(BUILD) tests/lint.sh
fmt: ; $(Q)clang-format -i $(C_FILES) $(wildcard common/*.h cli/*.h helper/*.h)
hardening: all ; $(Q)tests/hardening.sh $(PROGRAMS)
compile_commands.json:
	$(Q)tests/compile_commands.sh "$(CC) $(CPPFLAGS) -Icli -Ihelper $(CFLAGS)" $(C_FILES) > $@

# --- measuring -------------------------------------------------------------------------------------
$(BUILD)/bench: $(BUILD)/tests/bench/bench.o
	$(Q)$(CC) $(CFLAGS) -pie $(LINK) $^ -o $@ $(shell $(PKG_CONFIG) --libs jansson)
bench: all $(BUILD)/bench ; $(Q)BUILD=$(BUILD) tests/bench/run
# what the layers cost: beside a sbx-jail that lacks them, which is only ever built here
$(BUILD)/bare/sbx-jail: $(call obj,$(filter-out helper/enter.c,$(HELPER)) $(COMMON)) $(BUILD)/tests/bench/bare.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(JAIL_LINK) $(LINK) $^ -o $@ $(LIBS_jail)
	$(Q)ln -sf ../sbx-type $(@D)/sbx-type
bench-layers: all $(BUILD)/bare/sbx-jail ; $(Q)BUILD=$(abspath $(BUILD)) tests/bench/layers

# --- README's first command ------------------------------------------------------------------------
deps: ; $(Q)contrib/deps.sh vm
deps-check: ; $(Q)contrib/deps.sh
demo: deps-check ; $(Q)$(MAKE) demo-here
demo-here: all ; $(Q)BUILD=$(BUILD) contrib/demo.sh

# --- installation ----------------------------------------------------------------------------------
MAN := $(wildcard man/*.[1-8])
INSTALL := install
install: all
	$(Q)$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(DATADIR)/profiles/inside \
		$(DESTDIR)$(DATADIR)/profiles/seccomp $(DESTDIR)$(DATADIR)/images $(DESTDIR)$(BASHCOMPDIR)
	$(Q)$(INSTALL) -m 755 $(BUILD)/sbx $(DESTDIR)$(BINDIR)/$(PROGRAM)
	$(Q)$(INSTALL) -m 755 $(filter-out $(BUILD)/sbx,$(PROGRAMS)) $(DESTDIR)$(LIBEXECDIR)/
	$(Q)$(INSTALL) -m 644 $(wildcard profiles/*.json) $(DESTDIR)$(DATADIR)/profiles/
	$(Q)$(INSTALL) -m 644 $(wildcard profiles/seccomp/*.json) $(DESTDIR)$(DATADIR)/profiles/seccomp/
	$(Q)$(INSTALL) -m 644 $(wildcard profiles/inside/*) $(DESTDIR)$(DATADIR)/profiles/inside/
	$(Q)if ls images/* >/dev/null 2>&1; then for f in images/*; do m=644; [ ! -x "$$f" ] || m=755; \
		$(INSTALL) -m $$m "$$f" $(DESTDIR)$(DATADIR)/images/ || exit 1; done; fi
	$(Q)for p in $(MAN); do s=$${p##*.}; n=$$(basename $$p); $(INSTALL) -d $(DESTDIR)$(MANDIR)/man$$s && \
		sed '/^\.Nm sbx-jail/!s/^\.Nm sbx/.Nm $(PROGRAM)/' $$p > $(BUILD)/page && \
		$(INSTALL) -m 644 $(BUILD)/page $(DESTDIR)$(MANDIR)/man$$s/$${n/#sbx/$(PROGRAM)} || exit 1; done
	$(Q)[ ! -f completions/sbx.bash ] || { sed 's/\bsbx\b/$(PROGRAM)/g' completions/sbx.bash > $(BUILD)/page && \
		$(INSTALL) -m 644 $(BUILD)/page $(DESTDIR)$(BASHCOMPDIR)/$(PROGRAM); }
	$(Q)[ ! -d contrib/systemd ] || contrib/install-units.sh $(DESTDIR)$(UNITDIR) $(BINDIR) $(PROGRAM)
	$(Q)contrib/apparmor/install.sh "$(DESTDIR)" $(LIBEXECDIR)/sbx-jail $(PROGRAM)
uninstall:
	$(Q)rm -f $(DESTDIR)$(BINDIR)/$(PROGRAM) $(DESTDIR)$(BASHCOMPDIR)/$(PROGRAM) \
		$(DESTDIR)/etc/apparmor.d/$(PROGRAM)-jail
	$(Q)rm -rf $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(DATADIR)
	$(Q)for p in $(MAN); do s=$${p##*.}; n=$$(basename $$p); rm -f $(DESTDIR)$(MANDIR)/man$$s/$${n/#sbx/$(PROGRAM)}; done
	$(Q)rm -f $(DESTDIR)$(UNITDIR)/system/$(PROGRAM)*.service $(DESTDIR)$(UNITDIR)/system/$(PROGRAM)*.timer \
		$(DESTDIR)$(UNITDIR)/system/$(PROGRAM).slice $(DESTDIR)$(PREFIX)/lib/sysusers.d/$(PROGRAM).conf \
		$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/$(PROGRAM).conf
install-adapter:
	$(Q)$(INSTALL) -d $(DESTDIR)$(PREFIX)/lib/sbx-adapter
	$(Q)cd contrib/librechat && cp -R package.json package-lock.json server.mjs src inside $(DESTDIR)$(PREFIX)/lib/sbx-adapter/
	$(Q)cd $(DESTDIR)$(PREFIX)/lib/sbx-adapter && npm ci --omit=dev --no-audit --no-fund
	$(Q)$(INSTALL) -d $(DESTDIR)$(BINDIR) && ln -sf ../lib/sbx-adapter/server.mjs $(DESTDIR)$(BINDIR)/sbx-adapter

# --- distribution ----------------------------------------------------------------------------------
NAME := sbx-$(VERSION)
dist: ; $(Q)mkdir -p $(BUILD) && git archive --prefix=$(NAME)/ -o $(BUILD)/$(NAME).tar.gz HEAD
distcheck: dist ; $(Q)tests/distcheck.sh $(BUILD)/$(NAME).tar.gz $(NAME)
reproducible: ; $(Q)tests/reproducible.sh
docs: ; $(Q)mkdir -p $(BUILD)/docs && for p in $(MAN); do mandoc -Thtml $$p > $(BUILD)/docs/$$(basename $$p).html; done
hooks: ; $(Q)git config core.hooksPath .githooks
clean: ; $(Q)rm -rf $(BUILD) $(BUILD)-*

.PHONY: all tests test check check-here demo-here check-fast check-slow asan ubsan check-clang check-vm check-images check-adapter check-clients check-cpython fuzz analyze \
	lint fmt hardening bench bench-layers deps deps-check demo install uninstall install-adapter dist distcheck reproducible docs \
	hooks clean compile_commands.json
