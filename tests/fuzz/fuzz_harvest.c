// SPDX-License-Identifier: Apache-2.0
/*
 * Packets of a hostile process 1: one a line of the input, the first byte its type, the second the reason of a
 * skipped name or, for a file, whether a descriptor comes with it. Whatever they say, names that break the rules
 * and files of a run that is not kept change nothing.
 */
#include "cleanup.h"
#include "config.h"
#include "harvest.h"
#include "names.h"
#include "run.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(struct stage *stage)
{
	static const char *const names[] = { "a.txt", "d/b", "d/e/c", "z" };
	size_t i;

	stage->inputs = calloc(4, sizeof(*stage->inputs));
	for (i = 0; stage->inputs && i < 4; i++) {
		stage->inputs[i].entry.name = strdup(names[i]);
		id_new(stage->inputs[i].entry.id);
		stage->inputs[i].read_only = i == 3;
	}
	stage->count = stage->inputs ? 4 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	static const struct limits limits = { .file_bytes = 1000, .scratch_bytes = 1000, .scratch_files = 10 };
	struct session session = { .dir = -1, .user_dir = -1, .config = &config };
	struct mime mime = { .config = &config };
	struct stage stage = { .runs = -1, .dir = -1 };
	struct collect c = { .session = &session, .stage = &stage, .limits = &limits, .mime = &mime, .exec = "", .commit = 'n' };
	struct err err = { 0 };
	const char *p = (const char *)data, *end = p + size;
	size_t i;

	fill(&stage);
	c.skipped = json_array();
	while (p < end) {
		const char *line = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((line ? line : end) - p);
		AUTO_FREE char *name = malloc(len + 1);
		bool has_fd = len > 1 && p[0] == HARVEST_FILE && p[1] == '+';

		if (name && len >= 2 && len - 2 <= HARVEST_NAME_MAX) {
			memcpy(name, p + 2, len - 2);
			(void)collect_take(&c, p[0], p[1], name, len - 2, has_fd ? memfd_create("f", MFD_CLOEXEC) : -1, &err);
		}
		p += len + 1;
	}
	(void)collect_finish(&c, true, &err);
	if (c.count)
		abort();	/* never: it was told to keep nothing */
	for (i = 0; i < json_array_size(c.skipped); i++)
		if (!json_is_string(json_object_get(json_array_get(c.skipped, i), "reason")))
			abort();
	if (json_array_size(c.skipped) > 201)
		abort();
	collect_done(&c);
	for (i = 0; i < stage.count; i++)
		entry_done(&stage.inputs[i].entry);
	free(stage.inputs);
	return 0;
}
