// SPDX-License-Identifier: Apache-2.0
/*
 * Terminals: typing for whoever started us. Outside a pair of pseudo-terminals is made and taken
 * as the controlling one; where there is none to be had, stdin stands in for it.
 */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SHUT "ENOTTY|EPERM|EACCES"

static int terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		return STDIN_FILENO;
	(void)setsid();
	const char *name = ptsname(master);
	int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return STDIN_FILENO;
	(void)ioctl(fd, TIOCSCTTY, 0);
	return fd;
}

static int try_ioctl(struct attempt *t)
{
	char arg[64] = { (char)t->probe->a[0] };

	return answer(ioctl(terminal(), (unsigned long)t->probe->nr, arg));
}

/* A process group leader cannot begin a session, a child can. */
static int run_tty_ioctl(struct attempt *t)
{
	return in_child(t, try_ioctl);
}

static int run_open(struct attempt *t)
{
	return answer(open(t->probe->path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
}

static int run_std_tty(struct attempt *t)
{
	(void)t;
	for (int fd = 0; fd < 3; fd++)
		if (isatty(fd))
			return 0;
	return NOTHING;
}

/* Field 7 of stat: the controlling terminal. */
static int run_controlling(struct attempt *t)
{
	char text[1024];
	int tty = 0;

	if (slurp("/proc/self/stat", text, sizeof(text)) < 0)
		return broken(t, "no /proc/self/stat");
	const char *end = strrchr(text, ')');
	if (!end || sscanf(end + 1, " %*c %*d %*d %*d %d", &tty) != 1)
		return broken(t, "stat cannot be read");
	return tty ? 0 : NOTHING;
}

#define TTY(label, request, arg, twin, why)                                                        \
	{ label, NULL, SHUT, twin, why, .run = run_tty_ioctl, .nr = request, .a = { arg } }

static const struct probe probes[] = {
	TTY("tty-tiocsti", TIOCSTI, 'x', DIFFERS, "a key pressed for another"),
	{ "tty-tiocsti-high", NULL, SHUT, DIFFERS, "the same, with bits beyond 32 set",
	  .run = run_tty_ioctl, .nr = (long)(TIOCSTI | (1UL << 40)), .a = { 'x' } },
	TTY("tty-tioclinux", TIOCLINUX, 3, NEEDS_ROOT, "paste on a console; outside only on one"),
	TTY("tty-tiocsetd", TIOCSETD, 0, DONE, "another line discipline"),
	TTY("tty-tioccons", TIOCCONS, 0, NEEDS_ROOT, "output of the console"),
	TTY("tty-tiocexcl", TIOCEXCL, 0, DONE, "the terminal for itself alone"),
	{ "tty-open", NULL, "ENOENT|ENXIO|EACCES", NEEDS_ROOT,
	  "the controlling terminal; outside only with one", .run = run_open, .path = "/dev/tty" },
	{ "tty-ptmx", NULL, "ENOENT|EACCES", DONE, "new pseudo-terminals", .run = run_open,
	  .path = "/dev/ptmx" },
	{ "tty-console", NULL, "ENOENT", NEEDS_ROOT, "the console", .run = run_open,
	  .path = "/dev/console" },
	{ "tty-pts", NULL, "ENOENT|EACCES|nothing", NEEDS_ROOT,
	  "terminals of others; outside only where somebody is", .run = run_list,
	  .path = "/dev/pts" },
	{ "tty-std", NULL, "nothing", NEEDS_ROOT,
	  "stdin or an output is a terminal; outside only with one", .run = run_std_tty },
	{ "tty-controlling", NULL, "nothing", NEEDS_ROOT,
	  "a controlling terminal; outside only with one", .run = run_controlling },
};

GROUP(group_terminal, "terminal", "S0-34", probes);
