# SPDX-License-Identifier: Apache-2.0
# Tests, analysis, installation: included by Makefile.

UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/*_test.c))
# modules of cli/ that unit tests link; main.c stays out
CLI_PARTS := $(filter-out $(BUILD)/cli/main.o,$(call obj,$(CLI)))
HELPER_PARTS := $(BUILD)/helper/watch.o

$(BUILD)/unit/filter_test: $(BUILD)/tests/unit/filter_test.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -pie $(LINK) $^ -o $@ $(LIBS_sbx) -lseccomp
$(BUILD)/unit/%_test: $(BUILD)/tests/unit/%_test.o $(CLI_PARTS) $(call obj,$(COMMON))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -pie $(LINK) $^ -o $@ $(LIBS_sbx)

tests: all $(UNIT)
.SECONDARY:
