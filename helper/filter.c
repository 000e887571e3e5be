// SPDX-License-Identifier: Apache-2.0
/*
 * The job, last stage: loads the filter, ready BPF that was compiled from profiles/seccomp when sbx
 * was built. With a listener the supervisor hears of denied attacks and answers with the same errno
 * that the plain filter gives.
 *
 * Without a memory controller RLIMIT_DATA refuses a single allocation that is too large, and leaves no
 * trace of it. So with a listener a few instructions more come first, which hand over just the calls
 * that this limit refuses in any case; the supervisor answers as the kernel would, and knows.
 */
#include "cleanup.h"
#include "filter_data.h"
#include "jail.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filters.inc"

const struct filter_set *filter_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(filter_sets) / sizeof(filter_sets[0]); i++)
		if (!strcmp(filter_sets[i].name, name))
			return &filter_sets[i];
	return NULL;
}

static int load(const struct sock_filter *insns, size_t count, unsigned int flags)
{
	struct sock_fprog program = { .len = (unsigned short)count,
				      .filter = (struct sock_filter *)(uintptr_t)insns };

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

enum { HEAD_N = 15 };

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
/* Both architectures are little-endian: the low half of an argument comes first. */
#define LOAD_HIGH(i) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[i]) + 4)
#define JUMP(kind, value, yes, no) BPF_JUMP(BPF_JMP | BPF_K | (kind), (uint32_t)(value), yes, no)

/* A private writable mapping of more than bytes is handed over; all else goes to what follows. */
static void make_head(struct sock_filter *head, uint64_t bytes)
{
	const struct sock_filter made[HEAD_N] = {
		LOAD(arch),
		JUMP(BPF_JEQ, FILTER_AUDIT_ARCH, 0, 13),
		LOAD(nr),
		JUMP(BPF_JEQ, SYS_mmap, 0, 11),
		LOAD(args[2]),
		JUMP(BPF_JSET, PROT_WRITE, 0, 9),
		LOAD(args[3]),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, MAP_TYPE),
		JUMP(BPF_JEQ, MAP_PRIVATE, 0, 6),
		LOAD_HIGH(1),
		JUMP(BPF_JGT, bytes >> 32, 3, 0),
		JUMP(BPF_JEQ, bytes >> 32, 0, 3),
		LOAD(args[1]),
		JUMP(BPF_JGT, bytes, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};

	memcpy(head, made, sizeof(made));
}

/* The descriptor of the listener, or -1 with errno. */
static int load_notifying(const struct filter_set *set, int64_t data_bytes)
{
	struct sock_filter insns[BPF_MAXINSNS];

	if (data_bytes <= 0 || set->notify_n + HEAD_N > BPF_MAXINSNS)
		return load(set->notify_insns, set->notify_n, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	make_head(insns, (uint64_t)data_bytes);
	memcpy(insns + HEAD_N, set->notify_insns, set->notify_n * sizeof(*insns));
	return load(insns, HEAD_N + set->notify_n, SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

int filter_enter(struct jail *jail, struct err *err)
{
	const struct filter_set *set = filter_find(jail->spec->seccomp);
	struct note note = { .type = NOTE_LISTENER };

	if (!set)
		return err_set(err, ERR_CONFIG, "no seccomp filter is called '%s'",
			       jail->spec->seccomp);
	if (jail->spec->notify) {
		AUTO_FD int listener = load_notifying(set, jail->spec->data_bytes);

		if (listener >= 0) {
			jail->notify = 1;
			if (note_send(jail->note, &note, &listener, 1) < 0)
				return err_sys(err, ERR_INTERNAL, "hand on the listener");
			return 0;
		}
		/* EBUSY: an outer sandbox listens already; the plain filter denies the same */
		if (errno != EBUSY && errno != EINVAL)
			return err_sys(err, ERR_ISOLATION, "load the seccomp filter");
	}
	if (load(set->plain_insns, set->plain_n, 0) < 0)
		return err_sys(err, ERR_ISOLATION, "load the seccomp filter");
	return 0;
}
