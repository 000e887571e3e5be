// SPDX-License-Identifier: Apache-2.0
/*
 * Kept views. Ten thousand links take a quarter of a second, so the view of a large revision is made
 * once, below .view/<N>/, and serves every run of that revision. It is complete before it has its name.
 * Who uses it holds a shared lock on it, the jail too; who removes it takes the lock alone and then the
 * name, so that nobody meets half a view.
 */
#include "run.h"

#include "cleanup.h"
#include "io.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static bool is_named(int views, const char *name, int fd)
{
	struct stat mine, now;

	return fstat(fd, &mine) == 0 && fstatat(views, name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       mine.st_ino == now.st_ino && mine.st_dev == now.st_dev;
}

int kept_open(const struct session *session, int64_t revision)
{
	AUTO_FD int views = io_open_dir(session->dir, ".view");
	char name[32];

	(void)snprintf(name, sizeof(name), "%lld", (long long)revision);
	AUTO_FD int fd = views < 0 ? -1 : io_open_dir(views, name);
	/* between the opening and the lock it may have been taken away */
	if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0 || !is_named(views, name, fd))
		return -1;
	return take_fd(&fd);
}

void kept_publish(const struct session *session, int64_t revision, int dir, const char *made)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "%lld", (long long)revision);
	if (io_mkdir(session->dir, ".view") < 0)
		return;
	AUTO_FD int views = io_open_dir(session->dir, ".view");
	/* EEXIST: another run was as fast; this one stays private */
	if (views >= 0 && renameat2(dir, made, views, name, RENAME_NOREPLACE) == 0)
		kept_sweep(session, revision);
}

static void remove_kept(int views, const char *name)
{
	AUTO_FD int fd = io_open_dir(views, name);
	char gone[64];

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || !is_named(views, name, fd))
		return;
	(void)snprintf(gone, sizeof(gone), ".gone-%.40s", name);
	if (name[0] == '.' || renameat2(views, name, views, gone, RENAME_NOREPLACE) == 0)
		(void)io_remove_tree(views, name[0] == '.' ?
						    name :
						    gone); /* what stays, the next sweep finds */
}

void kept_sweep(const struct session *session, int64_t keep)
{
	AUTO_FD int views = io_open_dir(session->dir, ".view");
	int again = views < 0 ? -1 : openat(views, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *dir = again < 0 ? NULL : fdopendir(again);
	struct dirent *de;

	while (dir && (de = readdir(dir))) {
		int64_t number;

		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0 &&
		    !(text_count(de->d_name, 1, INT64_MAX, &number) && number == keep))
			remove_kept(views, de->d_name);
	}
}
