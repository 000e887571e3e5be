// SPDX-License-Identifier: Apache-2.0
/* Who can be signalled. Signal 0 only asks, so nobody outside comes to harm. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PID_LIMIT 65536

/* EPERM too: then there is somebody. */
static bool is_there(pid_t pid)
{
	return kill(pid, 0) == 0 || errno == EPERM;
}

static int run_foreign(struct attempt *t)
{
	for (pid_t pid = 2; pid < PID_LIMIT; pid++)
		if (pid != t->runner && is_there(pid) && !is_relative(pid) &&
		    (pid == t->bait_pid || parent_of(pid) != t->runner))
			return 0;
	return NOTHING;
}

/* As above, but only those that would get the signal. */
static int run_reach(struct attempt *t)
{
	for (pid_t pid = 2; pid < PID_LIMIT; pid++)
		if (pid != t->runner && kill(pid, 0) == 0 && !is_relative(pid))
			return 0;
	return NOTHING;
}

static int run_foreign_group(struct attempt *t)
{
	for (pid_t pid = 2; pid < PID_LIMIT; pid++) {
		if (pid == t->first_pgrp || pid == getpgrp())
			continue;
		if ((kill(-pid, 0) == 0 || errno == EPERM) && !is_relative(pid))
			return 0;
	}
	return NOTHING;
}

/*
 * A number of 0 stands for somebody outside of the pid namespace: then kill(0, ...) crosses its
 * border, whatever kill(PID, ...) does.
 */
static int run_group_crosses(struct attempt *t)
{
	return t->first_pgrp == 0 ? 0 : NOTHING;
}

static int run_session_crosses(struct attempt *t)
{
	return t->first_sid == 0 || getsid(t->runner) == 0 ? 0 : NOTHING;
}

static int run_is_init(struct attempt *t)
{
	return t->runner == 1 ? 0 : NOTHING;
}

/* A parent of number 0 would be outside. */
static int run_parent_crosses(struct attempt *t)
{
	return t->runner != 1 && parent_of(t->runner) == 0 ? 0 : NOTHING;
}

static int run_queue(struct attempt *t)
{
	siginfo_t info = { .si_code = SI_TKILL };

	info.si_signo = SIGUSR1;
	(void)t;
	/* A kernel that takes this lets a program forge who sent a signal. */
	return answer(syscall(SYS_rt_sigqueueinfo, 1, SIGCONT, &info));
}

static int run_owner(struct attempt *t)
{
	int gate[2];

	if (pipe2(gate, O_CLOEXEC) < 0)
		return broken(t, "no pipe");
	return answer(fcntl(gate[0], F_SETOWN, getpid()));
}

static const struct probe probes[] = {
	{ "signal-foreign", "S3-11", "nothing", DONE, "any process that is not of this run",
	  .run = run_foreign },
	{ "signal-all", "S3-24", "nothing", DONE, "what kill(-1) would reach", .run = run_reach },
	{ "signal-foreign-group", "S3-11", "nothing", DONE, "any group that is not of this run",
	  .run = run_foreign_group },
	{ "signal-group-crosses", NULL, "nothing", NEEDS_ROOT,
	  "the group is shared with the outside; has no twin", .run = run_group_crosses },
	{ "signal-session-crosses", NULL, "nothing", NEEDS_ROOT,
	  "the session is shared with the outside; has no twin", .run = run_session_crosses },
	{ "signal-is-init", NULL, "nothing", NEEDS_ROOT,
	  "the program itself is process 1; has no twin", .run = run_is_init },
	{ "signal-parent-crosses", NULL, "nothing", NEEDS_ROOT,
	  "the parent is outside; has no twin", .run = run_parent_crosses },
	{ "signal-forged", NULL, "EPERM|ESRCH", NEEDS_ROOT, "a sender forged for process 1",
	  .run = run_queue },
	{ "signal-setown", NULL, "EPERM|EINVAL", DONE, "signals by input and output",
	  .run = run_owner },
};

GROUP(group_signals, "signals", "S3-15", probes);
