// SPDX-License-Identifier: Apache-2.0
#include "cleanup.h"
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tests, failures;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, what);
	failures += !good;
}

static void put_file(int dir, const char *name, const char *text)
{
	AUTO_FD int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	(void)io_write_all(fd, text, strlen(text));
}

static bool refuses(int dir, const char *path, int want)
{
	AUTO_FD int fd = io_open(dir, path, O_RDONLY, 0);

	if (fd < 0 && (errno == want || want == 0))
		return true;
	printf("# %s: %s\n", path, fd < 0 ? strerror(errno) : "opened");
	return false;
}

static void test_open(int dir)
{
	AUTO_FD int fifo = -1, file = -1;
	struct stat st;

	(void)mkdirat(dir, "d", 0700);
	put_file(dir, "d/f", "text");
	(void)symlinkat("f", dir, "d/link");
	(void)symlinkat("d", dir, "dlink");
	(void)symlinkat("/etc/passwd", dir, "abs");
	(void)mkfifoat(dir, "fifo", 0600);
	file = io_open_regular(dir, "d/f", O_RDONLY);
	ok(file >= 0 && fcntl(file, F_GETFD) == FD_CLOEXEC, "a file beneath opens, close-on-exec");
	ok(refuses(dir, "d/link", ELOOP) && refuses(dir, "dlink/f", ELOOP) && refuses(dir, "abs", ELOOP), "links are refused, last or on the way");
	ok(refuses(dir, "..", EXDEV) && refuses(dir, "d/../../x", 0) && refuses(dir, "/etc/passwd", EXDEV) && refuses(dir, "../../etc/passwd", EXDEV),
	   "there is no way up, and no absolute path");
	ok(io_open_regular(dir, "d", O_RDONLY) < 0 && errno == EISDIR && io_open_dir(dir, "d/f") < 0 && errno == ENOTDIR, "a directory is no file and the reverse");
	fifo = io_open_regular(dir, "fifo", O_RDONLY);
	ok(fifo < 0, "a FIFO is refused, and does not hold the caller");
	ok(fstatat(dir, "d/f", &st, 0) == 0 && st.st_size == 4, "what was looked at is as before");
}

static void test_read(int dir)
{
	size_t len = 0;
	AUTO_FREE char *whole = io_read_file(dir, "d/f", 4, &len);
	AUTO_FREE char *over = io_read_file(dir, "d/f", 3, NULL);
	int why = errno;

	ok(whole && len == 4 && !strcmp(whole, "text"), "a file of exactly the bound is read, with a NUL behind");
	ok(!over && why == EFBIG, "one byte more is EFBIG");
	ok(!io_read_file(dir, "absent", 10, NULL) && errno == ENOENT, "an absent one is ENOENT");
	ok(!io_read_file(dir, "d/link", 10, NULL), "a link is not read");
	AUTO_FD int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	ok(!io_read_all(zero, 100000, &len) && errno == EFBIG, "an endless file ends at the bound");
}

static void test_replace(int dir)
{
	AUTO_FREE char *text = NULL;
	char longest[300];

	ok(io_replace_file(dir, "r", "one", 3, true) == 0 && io_replace_file(dir, "r", "three", 5, false) == 0 &&
	   (text = io_read_file(dir, "r", 100, NULL)) && !strcmp(text, "three"), "a file is replaced whole");
	(void)unlinkat(dir, "r", 0);
	(void)symlinkat("d/f", dir, "r");
	ok(io_replace_file(dir, "r", "new", 3, false) == 0, "over a link it puts a file");
	AUTO_FREE char *other = io_read_file(dir, "d/f", 100, NULL);
	ok(other && !strcmp(other, "text"), "and leaves what the link led to");
	memset(longest, 'n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	ok(io_replace_file(dir, longest, "x", 1, false) < 0 && errno == ENAMETOOLONG, "a name too long is an error");
	ok(io_mkdir(dir, "d") == 0 && io_mkdir(dir, "d/f/x") < 0, "a directory that is there is no error");
}

static bool is_gone(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

/* 5000 deep: built by moving up, since no path is that long. */
static void test_remove_deep(int dir)
{
	int i, at = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (i = 0; i < 5000 && at >= 0; i++) {
		int next;

		(void)mkdirat(at, i ? "n" : "deep", 0700);
		next = openat(at, i ? "n" : "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)close(at);
		at = next;
	}
	put_file(at, "bottom", "x");
	(void)close(at);
	ok(i == 5000 && io_remove_tree(dir, "deep") == 0 && is_gone(dir, "deep"), "a tree of 5000 levels goes");
}

static void test_remove(int dir)
{
	char name[32];
	int i;

	(void)mkdirat(dir, "t", 0700);
	(void)mkdirat(dir, "t/a", 0700);
	(void)mkdirat(dir, "t/a/b", 0700);
	put_file(dir, "t/a/b/f", "x");
	(void)symlinkat("../../d", dir, "t/a/out");
	(void)symlinkat("/", dir, "t/root");
	(void)mkfifoat(dir, "t/fifo", 0);
	(void)fchmodat(dir, "t/a/b", 0, 0);
	(void)fchmodat(dir, "t/a", 0, 0);
	(void)fchmodat(dir, "t", 0, 0);
	ok(io_remove_tree(dir, "t") == 0 && is_gone(dir, "t"), "a tree of mode 000 goes");
	ok(faccessat(dir, "d/f", F_OK, 0) == 0, "and nothing behind its links");
	(void)mkdirat(dir, "w", 0700);
	for (i = 0; i < 3000; i++) {
		(void)snprintf(name, sizeof(name), "w/d%d", i);
		(void)mkdirat(dir, name, 0700);
		(void)snprintf(name, sizeof(name), "w/d%d/f", i);
		put_file(dir, name, "");
	}
	(void)mkdirat(dir, "w/.lifted-0", 0700);	/* a name of our own is no trap */
	(void)mkdirat(dir, "w/.lifted-0/x", 0700);
	ok(io_remove_tree(dir, "w") == 0 && is_gone(dir, "w"), "a wide tree goes");
	(void)mkdirat(dir, "m", 0700);
	(void)mkdirat(dir, "m/x", 0500);
	(void)mkdirat(dir, "m/y", 0300);
	(void)fchmodat(dir, "m/y", 0700, 0);
	put_file(dir, "m/y/f", "");
	(void)fchmodat(dir, "m/y", 0400, 0);
	ok(io_remove_tree(dir, "m") == 0 && is_gone(dir, "m"), "so does one of odd modes");
	ok(io_remove_tree(dir, "absent") == 0, "what is not there is removed already");
	put_file(dir, "plain", "x");
	(void)symlinkat("d", dir, "l");
	ok(io_remove_tree(dir, "plain") == 0 && io_remove_tree(dir, "l") == 0 && is_gone(dir, "l") && faccessat(dir, "d", F_OK, 0) == 0,
	   "a file, and a link and not what it leads to");
}

int main(void)
{
	const char *base = getenv("TMPDIR");
	AUTO_FREE char *path = NULL;
	int64_t before;

	if (asprintf(&path, "%s/sbx-io.XXXXXX", base ? base : "/tmp") < 0 || !mkdtemp(path))
		return 1;
	AUTO_FD int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_open(dir);
	test_read(dir);
	test_replace(dir);
	test_remove_deep(dir);
	test_remove(dir);
	before = io_now_us();
	ok(io_now_us() >= before && io_now_ms() >= before / 1000, "the clock goes on");

	if (!is_gone(AT_FDCWD, path)) {
		AUTO_FD int parent = open(base ? base : "/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		(void)io_remove_tree(parent, strrchr(path, '/') + 1);
	}
	printf("1..%d\n", tests);
	return failures != 0;
}
