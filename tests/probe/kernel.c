// SPDX-License-Identifier: Apache-2.0
/*
 * Calls that administer a machine, or reach subsystems from which escapes came. Arguments are
 * chosen so that even a success changes nothing: queries, steps of zero, descriptors of nothing.
 */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/fanotify.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/quota.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define FS_QUOTA_SYNC (Q_SYNC << 8)

static int run_bpf_load(struct attempt *t)
{
	/* r0 = 0; exit */
	static const struct bpf_insn code[] = { { .code = 0xb7 }, { .code = 0x95 } };
	union bpf_attr attr;

	(void)t;
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insn_cnt = NELEM(code);
	attr.insns = (uintptr_t)code;
	attr.license = (uintptr_t)"GPL";
	return answer(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)));
}

/* Not privileged by itself: it says whether the call is there at all. */
static int run_bpf_get(struct attempt *t)
{
	union bpf_attr attr;

	(void)t;
	memset(&attr, 0, sizeof(attr));
	attr.pathname = (uintptr_t)"/nonexistent";
	return answer(syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr)));
}

static int run_perf(struct attempt *t)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(attr),
					.config = PERF_COUNT_SW_TASK_CLOCK, .disabled = 1,
					.exclude_kernel = 1, .exclude_hv = 1 };

	(void)t;
	return answer(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0UL));
}

static int run_io_uring(struct attempt *t)
{
	struct io_uring_params params = { 0 };

	(void)t;
	return answer(syscall(SYS_io_uring_setup, 2, &params));
}

static int run_aio(struct attempt *t)
{
	unsigned long ctx = 0;

	(void)t;
	return answer(syscall(SYS_io_setup, 1, &ctx));
}

static int run_fanotify(struct attempt *t)
{
	(void)t;
	return answer(syscall(SYS_fanotify_init, FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY));
}

static int run_handle(struct attempt *t)
{
	struct {
		struct file_handle head;
		unsigned char room[MAX_HANDLE_SZ];
	} h = { .head = { .handle_bytes = MAX_HANDLE_SZ } };
	int mount_id = 0;

	return answer(syscall(SYS_name_to_handle_at, AT_FDCWD, t->probe->path, &h, &mount_id, 0));
}

/* Shut by the filter even where the handle itself could not be had. */
static int run_open_handle(struct attempt *t)
{
	struct {
		struct file_handle head;
		unsigned char room[MAX_HANDLE_SZ];
	} h = { .head = { .handle_bytes = MAX_HANDLE_SZ } };
	int mount_id = 0;

	(void)syscall(SYS_name_to_handle_at, AT_FDCWD, t->probe->path, &h, &mount_id, 0);
	return answer(syscall(SYS_open_by_handle_at, AT_FDCWD, &h, O_RDONLY));
}

static int run_adjtimex(struct attempt *t)
{
	struct timex tx = { 0 };

	(void)t;
	return answer(syscall(SYS_adjtimex, &tx));
}

static int run_clock_adjtime(struct attempt *t)
{
	struct timex tx = { 0 };

	(void)t;
	return answer(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &tx));
}

/* The time it is: were it allowed, nothing would jump. */
static int run_clock_settime(struct attempt *t)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return broken(t, "no clock");
	return answer(syscall(SYS_clock_settime, t->probe->a[0], &now));
}

static int run_sethostname(struct attempt *t)
{
	if (ns_own(t, CLONE_NEWUTS) < 0)
		return BROKEN;
	return answer(syscall(t->probe->nr, "sbx-probe", 9));
}

static int run_statmount(struct attempt *t)
{
	/* struct mnt_id_req: size, spare, LSMT_ROOT, param, and room for the later ones */
	uint64_t req[4] = { 24, UINT64_MAX, 0, 0 }, ids[8];

	(void)t;
	return answer(syscall(458, req, ids, NELEM(ids), 0));
}

#define CALL(label, number, twin, why, ...)                                                        \
	{ label, NULL, W_CALL, twin, why, .run = run_call, .nr = number, .a = { __VA_ARGS__ } }

static const struct probe probes[] = {
	{ "bpf-prog-load", NULL, W_CALL, NEEDS_ROOT, "a program in the kernel",
	  .run = run_bpf_load },
	{ "bpf-obj-get", NULL, W_CALL, DIFFERS, "the call bpf", .run = run_bpf_get },
	{ "perf-event-open", NULL, W_CALL, DIFFERS, "counters", .run = run_perf },
	{ "io-uring", NULL, W_CALL, DIFFERS, "calls past the filter", .run = run_io_uring },
	{ "aio", NULL, W_CALL, DONE, "the older asynchronous calls", .run = run_aio },
	{ "fanotify-init", NULL, W_CALL, DIFFERS, "who opens what", .run = run_fanotify },
	{ "name-to-handle", NULL, W_CALL "|EOPNOTSUPP", DONE, "a handle past all directories",
	  .run = run_handle, .path = "/etc" },
	{ "open-by-handle", NULL, W_CALL, NEEDS_ROOT, "a file past all directories",
	  .run = run_open_handle, .path = "/etc" },
	CALL("open-by-handle-call", SYS_open_by_handle_at, DIFFERS, "the call itself", -1, 0, 0),
	CALL("kexec-load", SYS_kexec_load, NEEDS_ROOT, "another kernel", 0, 0, 0, -1),
	CALL("kexec-file-load", SYS_kexec_file_load, NEEDS_ROOT, "another kernel", -1, -1, 0, 0,
	     -1),
	CALL("init-module", SYS_init_module, NEEDS_ROOT, "code in the kernel", 0, 0, (long)""),
	CALL("finit-module", SYS_finit_module, NEEDS_ROOT, "code in the kernel", -1, (long)"", 0),
	CALL("delete-module", SYS_delete_module, NEEDS_ROOT, "code out of the kernel",
	     (long)"sbx-probe-none", O_NONBLOCK),
	CALL("syslog-read", SYS_syslog, NEEDS_ROOT, "messages of the kernel", 3, 0, 0),
	CALL("syslog-size", SYS_syslog, NEEDS_ROOT, "messages of the kernel", 10, 0, 0),
	CALL("quotactl", SYS_quotactl, DONE, "quotas of the host", FS_QUOTA_SYNC, 0, 0, 0),
	CALL("swapon", SYS_swapon, NEEDS_ROOT, "swap", (long)"/nonexistent", 0),
	CALL("swapoff", SYS_swapoff, NEEDS_ROOT, "no swap", (long)"/nonexistent"),
	{ "reboot", "S3-15", W_CALL, NEEDS_ROOT, "a restart; the magic numbers are wrong",
	  .run = run_call, .nr = SYS_reboot, .a = { 1, 2, 3, 0 } },
	CALL("settimeofday", SYS_settimeofday, NEEDS_ROOT, "the clock; a call that sets nothing",
	     0, 0),
	{ "clock-settime", NULL, W_CALL, NEEDS_ROOT, "the clock", .run = run_clock_settime,
	  .a = { CLOCK_REALTIME } },
	{ "clock-settime-call", NULL, W_CALL, DIFFERS, "the call itself, with a clock that stands",
	  .run = run_clock_settime, .a = { CLOCK_MONOTONIC } },
	{ "adjtimex", NULL, W_CALL, DONE, "the clock; a query", .run = run_adjtimex },
	{ "clock-adjtime", NULL, W_CALL, DONE, "the clock; a query", .run = run_clock_adjtime },
	{ "sethostname", NULL, W_CALL, DONE, "the name of the host", .run = run_sethostname,
	  .nr = SYS_sethostname },
	{ "setdomainname", NULL, W_CALL, DONE, "the name of the domain", .run = run_sethostname,
	  .nr = SYS_setdomainname },
	CALL("acct", SYS_acct, NEEDS_ROOT, "a log of all that ends", 0),
	CALL("vhangup", SYS_vhangup, NEEDS_ROOT, "the terminal taken from all"),
	CALL("lookup-dcookie", SYS_lookup_dcookie, NEEDS_ROOT, "paths by number", 0, 0, 0),
	CALL("landlock", SYS_landlock_create_ruleset, DIFFERS, "rules of its own", 0, 0, 1),
	CALL("quotactl-fd", SYS_quotactl_fd, DIFFERS, "quotas of the host", -1, 0, 0, 0),
	{ "listmount", NULL, W_CALL, DIFFERS, "all mounts by number", .run = run_statmount },
	CALL("open-tree-attr", 467, NEEDS_ROOT, "a call of Linux 6.15", -1, (long)"", 0, 0, 0),
};

GROUP(group_kernel, "kernel", NULL, probes);
