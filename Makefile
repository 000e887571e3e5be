# SPDX-License-Identifier: Apache-2.0
# sbx: see HACKING.md for what each target does. GNU make; everything goes below $(BUILD).

VERSION := 0.1.0
BUILD ?= build
PROGRAM ?= sbx
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec/$(PROGRAM)
DATADIR ?= $(PREFIX)/share/$(PROGRAM)
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
PKG_CONFIG ?= pkg-config
CC ?= gcc

V ?= 0
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-6s %s\n' $(1) $(2))

WARN := -Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-Wconversion -Wwrite-strings -Wno-unused-result -Wimplicit-fallthrough $(if $(WERROR),-Werror)
# a flag that is silently dropped protects nobody: each is tried once
try = $(shell echo 'int main(void){return 0;}' | $(CC) $(1) -Werror -x c - -o /dev/null 2>/dev/null && echo $(1))
HARDEN := -fstack-protector-strong -fPIE $(call try,-fstack-clash-protection) \
	$(call try,-ftrivial-auto-var-init=zero) $(call try,-fcf-protection=full)
FORTIFY := $(if $(SANITIZE),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
SAN := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)
override CPPFLAGS += -D_GNU_SOURCE -Icommon -I$(BUILD) -DSBX_VERSION='"$(VERSION)"' \
	-DSBX_LIBEXECDIR='"$(LIBEXECDIR)"' -DSBX_DATADIR='"$(DATADIR)"' $(FORTIFY)
override CFLAGS := -std=gnu17 -O2 -g $(WARN) $(HARDEN) $(SAN) -ffile-prefix-map=$(CURDIR)=. $(CFLAGS)
LINK := -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed $(SAN)
# sbx-jail is static: its exec costs a third, and nothing of the host is loaded into it
JAIL_LINK := $(if $(SANITIZE),-pie,-static-pie)

LIBS_sbx := $(shell $(PKG_CONFIG) --libs jansson nettle uuid)
LIBS_jail := $(shell $(PKG_CONFIG) --libs jansson)

COMMON := $(wildcard common/*.c)
CLI := $(wildcard cli/*.c)
HELPER := $(filter-out helper/filter_gen%.c,$(wildcard helper/*.c))
TYPE := $(wildcard typer/*.c)
SCOPE := $(wildcard scope/*.c)
PROBE := $(wildcard tests/probe/*.c)
obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
HAVE_SYSTEMD := $(shell $(PKG_CONFIG) --exists libsystemd && echo 1)

PROGRAMS := $(BUILD)/sbx $(BUILD)/sbx-jail $(BUILD)/sbx-type $(BUILD)/sbx-probe \
	$(if $(HAVE_SYSTEMD),$(BUILD)/sbx-scope)

all: $(PROGRAMS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(if $(filter cli/% tests/%,$<),-Icli) $(if $(filter tests/%,$<),-Ihelper) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/helper/filter.o $(BUILD)/cli/filter_hash.o $(BUILD)/tests/unit/filter_test.o: $(BUILD)/filters.inc

FILTERS := profiles/seccomp/base.json profiles/seccomp/strict.json profiles/seccomp/chromium.json
$(BUILD)/filter_gen: $(wildcard helper/filter_gen*.[ch]) common/filter_data.h
	@mkdir -p $(@D)
	$(call say,HOSTCC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(wildcard helper/filter_gen*.c) -pie $(LINK) -o $@ $$($(PKG_CONFIG) --libs jansson nettle libseccomp)
$(BUILD)/filters.inc: $(BUILD)/filter_gen $(FILTERS)
	$(call say,GEN,$@)
	$(Q)$(BUILD)/filter_gen $(FILTERS) > $@.new && mv $@.new $@

$(BUILD)/sbx: $(call obj,$(CLI) $(COMMON))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -pie $(LINK) $(LDFLAGS) $^ -o $@ $(LIBS_sbx)
$(BUILD)/sbx-jail: $(call obj,$(HELPER) $(COMMON))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(JAIL_LINK) $(LINK) $(LDFLAGS) $^ -o $@ $(LIBS_jail)
$(BUILD)/sbx-type: $(call obj,$(TYPE))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -pie $(LINK) $(LDFLAGS) $^ -o $@ -lmagic -lseccomp
$(BUILD)/sbx-scope: $(call obj,$(SCOPE))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -pie $(LINK) $(LDFLAGS) $^ -o $@ $(shell $(PKG_CONFIG) --libs libsystemd)
# the probes are what an attacker would bring: no hardening of ours may change how they behave
$(BUILD)/sbx-probe: $(PROBE) $(wildcard tests/probe/*.h)
	$(call say,CC,$@)
	$(Q)$(CC) -std=gnu17 -O2 -D_GNU_SOURCE $(WARN) -static $(PROBE) -o $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

include build.mk
