// SPDX-License-Identifier: Apache-2.0
/*
 * sbx-jail builds one jail, runs one command in it, reports, and is gone. It is started by sbx with
 * the descriptors of spec.h and takes nothing else: no option, no file, no environment.
 */
#include "cleanup.h"
#include "io.h"
#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SPEC_MAX = 8 << 20, SPEC_FD_LAST = SPEC_FD_ROOT };

static int open_kind(int fd, mode_t kind)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}

static int check_descriptors(const struct spec *spec, struct err *err)
{
	if (!open_kind(SPEC_FD_INPUT, S_IFDIR) || !open_kind(SPEC_FD_HARVEST, S_IFSOCK) ||
	    (spec->cgroup && !open_kind(SPEC_FD_CGROUP, S_IFDIR)) ||
	    (spec->image && !open_kind(SPEC_FD_ROOT, S_IFDIR)))
		return err_set(err, ERR_INTERNAL, "sbx-jail was started without its descriptors");
	return 0;
}

static void close_on_exec(void)
{
	int fd;

	for (fd = SPEC_FD_SPEC; fd <= SPEC_FD_LAST; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* not all of them are open */
	(void)syscall(SYS_close_range, SPEC_FD_LAST + 1, ~0U, 0);
}

int main(int argc, char **argv)
{
	struct report report = { 0 };
	struct spec spec = { 0 };
	size_t len;

	if (argc == 1 && !strcmp(argv[0], "sbx-init"))
		return init_main();
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		(void)puts("sbx-jail " SBX_VERSION);
		return 0;
	}
	if (argc != 1 || fcntl(SPEC_FD_REPORT, F_GETFD) < 0) {
		(void)fputs("sbx-jail: is started by sbx, see sbx-jail(8)\n", stderr);
		return 2;
	}
	close_on_exec();
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	AUTO_FREE char *text = io_read_all(SPEC_FD_SPEC, SPEC_MAX, &len);
	if (!text)
		(void)err_sys(&report.err, ERR_INTERNAL, "read the specification");
	else if (geteuid() == 0)
		(void)err_set(&report.err, ERR_ISOLATION, "sbx-jail does not run as uid 0");
	else if (spec_decode(text, len, &spec, &report.err) == 0 &&
		 check_descriptors(&spec, &report.err) == 0)
		supervise(&spec, &report);
	spec_done(&spec);
	return report_write(SPEC_FD_REPORT, &report) < 0 ? 1 : 0;
}
