// SPDX-License-Identifier: Apache-2.0
#include "pressure.h"

#include "cgroup_private.h"
#include "cleanup.h"
#include "config.h"
#include "io.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { RETRY_MS = 1000, STALLED_PERCENT = 50 };

static int busy(struct err *err, const char *what, int64_t percent, int64_t limit)
{
	(void)err_set(err, ERR_BUSY, "%s: %" PRId64 " %%, and %" PRId64 " %% is the limit", what,
		      percent, limit);
	if (err)
		err->retry_ms = RETRY_MS;
	return err_hint(err, "the setting is \"pressure_percent\"");
}

static int64_t line_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoll(at + strlen(name), NULL, 10) : -1;
}

/* Percent in use, -1: unknown. MemAvailable counts what could be reclaimed without swapping. */
static int64_t host_memory(void)
{
	char text[4096];
	int64_t total, available;

	if (cgroup_read_file(AT_FDCWD, "/proc/meminfo", text, sizeof(text)) <= 0)
		return -1;
	total = line_of(text, "MemTotal:");
	available = line_of(text, "MemAvailable:");
	return total <= 0 || available < 0 ? -1 : (total - available) * 100 / total;
}

/* The fullest of the limited cgroups that we are in. The cache of files does not count: it can go. */
static int64_t cgroup_memory(void)
{
	AUTO_FREE char *path = cgroup_path_of("self");
	int64_t worst = -1;
	char text[8192];

	for (; path && strstr(path, "/sys/fs/cgroup/"); *strrchr(path, '/') = 0) {
		AUTO_FD int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int64_t limit = dir < 0 ? -1 : cgroup_number(dir, "memory.max"), used;

		if (limit <= 0 || cgroup_read_file(dir, "memory.stat", text, sizeof(text)) <= 0)
			continue;
		used = cgroup_number(dir, "memory.current") - cgroup_key(text, "inactive_file") -
		       cgroup_key(text, "active_file");
		if (used * 100 / limit > worst)
			worst = used * 100 / limit;
	}
	return worst;
}

/* Percent of the last ten seconds in which all tasks waited for memory; -1: this kernel does not say. */
static int64_t stalled(void)
{
	char text[512];
	const char *at;

	if (cgroup_read_file(AT_FDCWD, "/proc/pressure/memory", text, sizeof(text)) <= 0)
		return -1;
	at = strstr(text, "full avg10=");
	return at ? strtoll(at + strlen("full avg10="), NULL, 10) : -1;
}

int pressure_check(const struct config *config, struct err *err)
{
	int64_t limit = config->pressure_percent, percent;

	if (limit <= 0)
		return 0;
	percent = host_memory();
	if (percent > limit)
		return busy(err, "the host's memory is in use", percent, limit);
	percent = cgroup_memory();
	if (percent > limit)
		return busy(err, "the memory of sbx's own cgroup is in use", percent, limit);
	percent = stalled();
	if (percent > STALLED_PERCENT)
		return busy(err, "everything waits for memory", percent, STALLED_PERCENT);
	return 0;
}
