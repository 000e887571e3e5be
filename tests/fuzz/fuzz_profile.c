// SPDX-License-Identifier: Apache-2.0
/* A profile's file: resolved over the shipped one or refused as a wrong configuration. */
#include "cleanup.h"
#include "config.h"
#include "io.h"
#include "profile.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char place[] = "/dev/shm/sbx-fuzz.XXXXXX";

static void remove_place(void)
{
	(void)io_remove_tree(AT_FDCWD, place);
	(void)!system("rm -rf /dev/shm/sbx-fuzz.*");
}

static int open_place(void)
{
	char path[100];
	int dir;

	if (!mkdtemp(place))
		abort();
	(void)atexit(remove_place);
	(void)setenv("XDG_CONFIG_HOME", place, 1);
	(void)snprintf(path, sizeof(path), "%s/sbx", place);
	(void)mkdir(path, 0700);
	(void)snprintf(path, sizeof(path), "%s/sbx/profiles", place);
	(void)mkdir(path, 0700);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? (abort(), -1) : dir;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int dir = -1;
	static char shipped[] = "profiles";
	struct config config = { .profiles = shipped };
	struct profile profile;
	struct err err = { 0 };
	int fd;

	if (dir < 0)
		dir = open_place();
	fd = openat(dir, "fuzzed.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || io_write_all(fd, data, size) < 0)
		abort();
	(void)close(fd);
	if (profile_load(&config, "fuzzed", &profile, &err) == 0) {
		if (!profile.limits.wall_ms || !profile.limits.memory_bytes || !profile.seccomp || !profile.root)
			abort();
		profile_done(&profile);
	} else if (err.code != ERR_CONFIG) {
		abort();
	}
	return 0;
}
