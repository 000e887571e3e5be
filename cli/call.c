// SPDX-License-Identifier: Apache-2.0
/* The places a verb works in: made when they are not there, refused when they are not ours. */
#include "cleanup.h"
#include "config.h"
#include "verb.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

int call_make_path(const char *path, struct err *err)
{
	char part[4096];
	size_t i;

	(void)snprintf(part, sizeof(part), "%s", path);
	for (i = 1; part[i]; i++)
		if (part[i] == '/') {
			part[i] = 0;
			(void)mkdir(part,
				    0700); /* what is there, or may not be made, shows below */
			part[i] = '/';
		}
	if (mkdir(part, 0700) < 0 && errno != EEXIST)
		return err_sys(err, ERR_STORAGE, "make '%s'", path);
	return 0;
}

static int open_place(int *fd, const char *path, const char *what, struct err *err)
{
	struct stat st;

	if (*fd >= 0)
		return *fd;
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0 && errno == ENOENT && call_make_path(path, err) == 0)
		*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0) {
		if (!err || err->code == ERR_NONE)
			(void)err_sys(err, ERR_STORAGE, "open the %s '%s'", what, path);
		return err_hint(err, "set SBX_%s to a directory of yours",
				what[2] == 'o' ? "STORAGE" : "STATE");
	}
	if (fstat(*fd, &st) == 0 && st.st_uid != geteuid()) {
		cleanup_fd(fd);
		*fd = -1;
		(void)err_set(err, ERR_STORAGE, "the %s '%s' belongs to somebody else", what, path);
		return err_hint(err, "run sbx as its owner, or choose another place");
	}
	return *fd;
}

int call_storage(struct call *call, struct err *err)
{
	return open_place(&call->storage, call->config->storage, "storage", err);
}

int call_state(struct call *call, struct err *err)
{
	return open_place(&call->state, call->config->state, "state", err);
}
