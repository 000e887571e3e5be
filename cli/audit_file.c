// SPDX-License-Identifier: Apache-2.0
/* The files of the log: the current one, rotated ones, the head that makes appending O(1). */
#include "audit_private.h"

int audit_open_dir(int state, struct err *err)
{
	int dir;

	if (io_mkdir(state, "audit") < 0)
		return err_sys(err, ERR_INTERNAL, "make the audit directory");
	dir = io_open_dir(state, "audit");
	return dir < 0 ? err_sys(err, ERR_INTERNAL, "open the audit directory") : dir;
}

int audit_lock_file(int dir, const char *name, int how, struct err *err)
{
	AUTO_FD int fd = io_open(dir, name, O_RDWR | O_CREAT, 0600);

	if (fd < 0)
		return err_sys(err, ERR_INTERNAL, "open the lock of the audit log");
	while (flock(fd, how) < 0)
		if (errno != EINTR)
			return err_sys(err, errno == EWOULDBLOCK ? ERR_BUSY : ERR_INTERNAL,
				       "lock the audit log");
	return take_fd(&fd);
}

static bool is_rotated(const char *name)
{
	return strlen(name) == sizeof("audit-.jsonl") - 1 + 20 && !strncmp(name, "audit-", 6) &&
	       strspn(name + 6, "0123456789") == 20 && !strcmp(name + 26, ".jsonl");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of the rotated files, oldest first; NULL with errno. Freed by json_strings_free(). */
char **audit_rotated_files(int dir)
{
	int fd = io_open_dir(dir, ".");
	AUTO_DIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
	size_t n = 0, room = 16;
	char **list = d ? calloc(room, sizeof(*list)) : NULL;
	struct dirent *de;

	if (!list)
		return NULL;
	while ((de = readdir(d))) {
		if (!is_rotated(de->d_name))
			continue;
		if (n + 2 > room) {
			char **more = realloc(list, 2 * room * sizeof(*list));

			if (!more)
				goto undo_list;
			list = more;
			room *= 2;
		}
		list[n] = strdup(de->d_name);
		if (!list[n])
			goto undo_list;
		list[++n] = NULL;
	}
	qsort(list, n, sizeof(*list), by_name);
	return list;
undo_list:
	json_strings_free(list);
	return NULL;
}

void audit_strings_cleanup(char ***list)
{
	json_strings_free(*list);
}

int audit_head_read(int dir, struct head *ret)
{
	AUTO_FREE char *text = io_read_file(dir, "head", 512, NULL);
	struct head head;
	int used = 0;

	if (!text ||
	    sscanf(text, "sbx-audit 1 %20" SCNu64 " %20" SCNd64 " %64[0-9a-f] %39[0-9a-f-]%n",
		   &head.seq, &head.offset, head.hash, head.boot, &used) != 4 ||
	    text[used] != '\n' || strlen(head.hash) != HEX || head.offset < 0)
		return -1;
	*ret = head;
	return 0;
}

/* One write within one page: a killed writer leaves the old or the new text, never half. */
int audit_head_write(int dir, const struct head *head)
{
	AUTO_FD int fd = io_open(dir, "head", O_WRONLY | O_CREAT, 0600);
	char text[256];
	int len = snprintf(text, sizeof(text), "sbx-audit 1 %020" PRIu64 " %020" PRId64 " %s %s\n",
			   head->seq, head->offset, head->hash, head->boot);

	return fd >= 0 && pwrite(fd, text, (size_t)len, 0) == len ? 0 : -1;
}

int audit_pwrite_all(int fd, const char *buf, size_t len, int64_t at)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, buf, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		buf += n;
		len -= (size_t)n;
		at += n;
	}
	return 0;
}

int64_t audit_size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -1 : st.st_size;
}
