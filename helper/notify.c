// SPDX-License-Identifier: Apache-2.0
/*
 * The supervisor, outside: answers the calls of the attack class that the filter hands over, with
 * exactly the errno that the plain filter gives. Nothing is ever continued. The list is bounded;
 * when it is full, calls are still answered and counted.
 */
#include "notify.h"

#include "filter_data.h"
#include "jail.h"
#include "text.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const struct filter_answer *find(const struct filter_set *set, int nr)
{
	size_t i;

	for (i = 0; i < set->answers_n; i++)
		if (set->answers[i].nr == nr)
			return &set->answers[i];
	return NULL;
}

/* Which argument of a call is a path worth telling; -1: none. */
static int path_argument(int nr)
{
	switch (nr) {
	case SYS_mount:
	case SYS_pivot_root:
	case SYS_open_tree:
	case SYS_name_to_handle_at:
		return 1;
	case SYS_umount2:
	case SYS_chroot:
	case SYS_swapon:
	case SYS_swapoff:
	case SYS_acct:
	case SYS_fsopen:
		return 0;
	default:
		return -1;
	}
}

/* The caller's memory is hostile and may change meanwhile: it is told, never acted upon. */
static void read_target(int listener, const struct seccomp_notif *in, char *buf, size_t size)
{
	char raw[REPORT_TARGET_MAX] = "";
	int arg = path_argument(in->data.nr);
	struct iovec to = { raw, sizeof(raw) - 1 }, from = { NULL, sizeof(raw) - 1 };
	uint64_t id = in->id;

	buf[0] = 0;
	if (in->data.nr == SYS_socket) {
		(void)snprintf(buf, size, "family %u", (unsigned int)in->data.args[0]);
		return;
	}
	if (arg < 0)
		return;
	from.iov_base = (void *)(uintptr_t)in->data.args[arg];
	/* a string near the end of a page: then less is read */
	if (process_vm_readv((pid_t)in->pid, &to, 1, &from, 1, 0) < 0) {
		to.iov_len = from.iov_len = 4096 - (in->data.args[arg] & 4095);
		if (to.iov_len > sizeof(raw) - 1 ||
		    process_vm_readv((pid_t)in->pid, &to, 1, &from, 1, 0) < 0)
			return;
	}
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0)
		text_clean(raw, buf, size);
}

static void record(struct report *report, const char *op, const char *target, int sys)
{
	struct report_blocked *b = NULL;
	int i;

	report->blocked_total++;
	for (i = 0; i < report->blocked_count && !b; i++)
		if (!strcmp(report->blocked[i].op, op) &&
		    !strcmp(report->blocked[i].target, target))
			b = &report->blocked[i];
	if (!b && report->blocked_count < REPORT_BLOCKED_MAX) {
		b = &report->blocked[report->blocked_count++];
		(void)snprintf(b->op, sizeof(b->op), "%s", op);
		(void)snprintf(b->target, sizeof(b->target), "%s", target);
		b->sys = sys;
	}
	if (b)
		b->count++;
}

int notify_answer(int listener, const struct filter_set *set, struct report *report)
{
	struct seccomp_notif in = { 0 };
	struct seccomp_notif_resp out = { 0 };
	const struct filter_answer *refusal;
	char target[REPORT_TARGET_MAX];

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &in) < 0)
		return errno == EINTR || errno == ENOENT ? 0 :
							   -1; /* ENOENT: it was killed meanwhile */
	refusal = find(set, in.data.nr);
	out.id = in.id;
	if (!refusal && in.data.nr == SYS_mmap) { /* no attack: see make_head() of filter.c */
		report->is_memory_refused = 1;
		out.error = -ENOMEM;
		(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &out);
		return 0;
	}
	read_target(listener, &in, target, sizeof(target));
	record(report, refusal ? refusal->name : "?", target, refusal ? refusal->err : ENOSYS);
	out.error = -(refusal ? refusal->err : ENOSYS);
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &out); /* ENOENT as above */
	return 0;
}
