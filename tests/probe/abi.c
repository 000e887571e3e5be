// SPDX-License-Identifier: Apache-2.0
/* Other ways into the kernel than the one the filter was written for. */
#include "probe.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __x86_64__
#define X32 0x40000000L

/* The 32-bit gate of a 64-bit program. Arguments of 32 bits: so no pointers. */
static long gate32(long nr, long a, long b, long c)
{
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(nr), "b"(a), "c"(b), "d"(c)
			 : "memory", "r8", "r9", "r10", "r11");
	if (r < 0 && r > -4096) {
		errno = (int)-r;
		return -1;
	}
	return r;
}

static int run_gate32(struct attempt *t)
{
	const long *a = t->probe->a;

	return answer(gate32(t->probe->nr, a[0], a[1], a[2]));
}

static char ldt[16];

#define GATE(label, number, why, ...)                                                              \
	{ label, NULL, "killed", DIFFERS, why, .run = run_gate32, .nr = number,                    \
	  .a = { __VA_ARGS__ } }
#define BIT31(label, number, why, ...)                                                             \
	{ label, NULL, "killed", DIFFERS, why, .run = run_call, .nr = X32 | (number),              \
	  .a = { __VA_ARGS__ } }
#define CALL(label, number, twin, why, ...)                                                        \
	{ label, NULL, W_CALL, twin, why, .run = run_call, .nr = number, .a = { __VA_ARGS__ } }
#endif

static const struct probe probes[] = {
#ifdef __x86_64__
	GATE("int80-getpid", 20, "a call by int 0x80"),
	GATE("int80-unshare", 310, "unshare by int 0x80", 0),
	GATE("int80-socket", 359, "socket by int 0x80: netlink", 16, 3, 0),
	GATE("int80-personality", 136, "a query by int 0x80", 0xffffffff),
	BIT31("x32-getpid", 39, "a call by its x32 number"),
	BIT31("x32-ptrace", 521, "ptrace by its x32 number", 0, 0, 0, 0),
	BIT31("x32-execve", 520, "execve by its x32 number", 0, 0, 0),
	CALL("iopl", SYS_iopl, NEEDS_ROOT, "ports, where the kernel grants any; level 0", 0),
	CALL("iopl-3", SYS_iopl, NEEDS_ROOT, "ports of the machine", 3),
	CALL("ioperm", SYS_ioperm, NEEDS_ROOT, "ports, where the kernel grants any; none on",
	     0x80, 1, 0),
	CALL("modify-ldt", SYS_modify_ldt, DIFFERS, "segments; a query", 0, (long)ldt,
	     sizeof(ldt)),
	CALL("uselib", SYS_uselib, NEEDS_ROOT, "a call of old times", 0),
	CALL("ustat", SYS_ustat, DIFFERS, "a call of old times", 0, 0),
	CALL("sysfs", SYS_sysfs, DIFFERS, "a call of old times", 3),
#endif
	{ "syscall-unknown", NULL, "ENOSYS", NEEDS_ROOT, "a number that no kernel has",
	  .run = run_call, .nr = 4000 },
};

GROUP(group_abi, "abi", NULL, probes);
