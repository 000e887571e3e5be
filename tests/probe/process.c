// SPDX-License-Identifier: Apache-2.0
/* Calls on processes: tracing, comparing, scheduling; on itself, so that only the call counts. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/ioprio.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPT_REFUSED "EINVAL|EPERM|ENOSYS"

static int traceme(struct attempt *t)
{
	(void)t;
	return answer(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int run_traceme(struct attempt *t)
{
	return in_child(t, traceme);
}

static int run_attach(struct attempt *t)
{
	pid_t pid = fork();

	if (pid < 0)
		return broken(t, "no fork");
	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	int r = answer(ptrace(PTRACE_SEIZE, pid, NULL, NULL));
	(void)kill(pid, SIGKILL);
	return r;
}

static int run_kcmp(struct attempt *t)
{
	(void)t;
	return answer(syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0));
}

static int on_pidfd(struct attempt *t, long nr, long a, long b)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0)
		return broken(t, "no pidfd");
	return answer(syscall(nr, fd, a, b, 0));
}

static int run_pidfd_getfd(struct attempt *t)
{
	return on_pidfd(t, SYS_pidfd_getfd, t->result_fd, 0);
}

static int run_pidfd_signal(struct attempt *t)
{
	return on_pidfd(t, SYS_pidfd_send_signal, 0, 0);
}

static int seccomp(struct attempt *t)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog prog = { .len = NELEM(code), .filter = code };

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (t->probe->nr == SYS_prctl)
		return answer(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0));
	return answer(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, t->probe->a[0], &prog));
}

static int run_seccomp(struct attempt *t)
{
	return in_child(t, seccomp);
}

static int run_personality(struct attempt *t)
{
	(void)t;
	return answer(syscall(SYS_personality, t->probe->a[0]));
}

static int run_affinity(struct attempt *t)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return broken(t, "no affinity to repeat");
	return answer(sched_setaffinity(0, sizeof(set), &set));
}

static int run_scheduler(struct attempt *t)
{
	struct sched_param param = { 0 };

	return answer(syscall(SYS_sched_setscheduler, 0, t->probe->a[0], &param));
}

static int run_ioprio(struct attempt *t)
{
	(void)t;
	return answer(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
			      IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 7)));
}

static unsigned int map_size;

static int run_prctl(struct attempt *t)
{
	const long *a = t->probe->a;

	return answer(prctl((int)a[0], a[1], a[2], a[3], a[4]));
}

#define CALL(label, number, twin, why, ...)                                                        \
	{ label, NULL, W_CALL, twin, why, .run = run_call, .nr = number, .a = { __VA_ARGS__ } }
#define PERSONALITY(label, value, why)                                                             \
	{ label, NULL, W_CALL, DONE, why, .run = run_personality, .a = { value } }
#define PRCTL(label, twin, why, ...)                                                               \
	{ label, NULL, OPT_REFUSED, twin, why, .run = run_prctl, .a = { __VA_ARGS__ } }

static const struct probe probes[] = {
	{ "ptrace-traceme", NULL, W_CALL, DONE, "ptrace of itself", .run = run_traceme },
	{ "ptrace-child", NULL, W_CALL, DONE, "ptrace of a child", .run = run_attach },
	{ "kcmp-self", NULL, W_CALL, DONE, "comparing kernel objects", .run = run_kcmp },
	{ "pidfd-getfd-self", NULL, W_CALL, DONE, "descriptors by pidfd",
	  .run = run_pidfd_getfd },
	{ "pidfd-signal-self", NULL, W_CALL, DONE, "signals by pidfd", .run = run_pidfd_signal },
	{ "seccomp-filter", NULL, W_CALL, DONE, "a filter of its own", .run = run_seccomp,
	  .nr = SYS_seccomp },
	{ "seccomp-listener", NULL, W_CALL, DONE, "a filter that asks its maker",
	  .run = run_seccomp, .nr = SYS_seccomp, .a = { SECCOMP_FILTER_FLAG_NEW_LISTENER } },
	{ "seccomp-prctl", NULL, OPT_REFUSED, DONE, "a filter by prctl", .run = run_seccomp,
	  .nr = SYS_prctl },
	PERSONALITY("personality-norandom", ADDR_NO_RANDOMIZE, "addresses that can be guessed"),
	PERSONALITY("personality-readexec", READ_IMPLIES_EXEC, "data that can be executed"),
	PERSONALITY("personality-32", PER_LINUX32, "another machine"),
	{ "sched-setaffinity", NULL, W_CALL, DONE, "which processors", .run = run_affinity },
	{ "sched-batch", NULL, W_CALL, DONE, "another scheduler", .run = run_scheduler,
	  .a = { SCHED_BATCH } },
	{ "sched-fifo", NULL, W_CALL "|EINVAL", NEEDS_ROOT, "a scheduler that starves others",
	  .run = run_scheduler, .a = { SCHED_FIFO } },
	{ "ioprio-set", NULL, W_CALL, DONE, "turn at the disk", .run = run_ioprio },
	CALL("nice-negative", SYS_setpriority, NEEDS_ROOT, "more than its share", 0, 0, -5),
	PRCTL("prctl-mm", DIFFERS, "where its memory seems to be; a query", PR_SET_MM,
	      PR_SET_MM_MAP_SIZE, (long)&map_size, 0, 0),
	PRCTL("prctl-speculation", DIFFERS, "protection of the processor off", 53, 0, 2, 0, 0),
	PRCTL("prctl-tsc", DONE, "clock of the processor", PR_SET_TSC, PR_TSC_ENABLE),
	PRCTL("prctl-ptracer", NEEDS_ROOT, "anyone may trace it; only where Yama is",
	      PR_SET_PTRACER, -1),
	PRCTL("prctl-core-sched", NEEDS_ROOT, "who shares a core; where there are threads",
	      62, 1, 0, 0, 0),
};

GROUP(group_process, "process", NULL, probes);
