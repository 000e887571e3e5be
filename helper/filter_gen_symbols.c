// SPDX-License-Identifier: Apache-2.0
/*
 * The words that the lists of profiles/seccomp/ use for numbers of the kernel. Literal, so that a
 * filter does not depend on the headers of the machine that builds it; they are the same on all
 * architectures of filter_gen.
 */
#include "filter_gen.h"

#include <string.h>

struct symbol {
	const char *name;
	uint32_t value;
};

static const struct symbol symbols[] = {
	{ "O_CREAT", 0x40 }, { "__O_TMPFILE", 0x400000 },
	{ "S_IFMT", 0170000 }, { "S_IFREG", 0100000 }, { "S_IFIFO", 0010000 },
	{ "S_ISUID", 04000 }, { "S_ISGID", 02000 },

	{ "F_DUPFD", 0 }, { "F_GETFD", 1 }, { "F_SETFD", 2 }, { "F_GETFL", 3 }, { "F_SETFL", 4 },
	{ "F_GETLK", 5 }, { "F_SETLK", 6 }, { "F_SETLKW", 7 }, { "F_SETOWN", 8 },
	{ "F_GETOWN", 9 }, { "F_SETSIG", 10 }, { "F_GETSIG", 11 }, { "F_SETOWN_EX", 15 },
	{ "F_GETOWN_EX", 16 }, { "F_OFD_GETLK", 36 }, { "F_OFD_SETLK", 37 },
	{ "F_OFD_SETLKW", 38 }, { "F_SETLEASE", 1024 }, { "F_GETLEASE", 1025 },
	{ "F_NOTIFY", 1026 }, { "F_DUPFD_CLOEXEC", 1030 }, { "F_SETPIPE_SZ", 1031 },
	{ "F_GETPIPE_SZ", 1032 }, { "F_ADD_SEALS", 1033 }, { "F_GET_SEALS", 1034 },

	{ "TCGETS", 0x5401 }, { "TCSETS", 0x5402 }, { "TCSETSW", 0x5403 }, { "TCSETSF", 0x5404 },
	{ "TCGETA", 0x5405 }, { "TCSBRK", 0x5409 }, { "TCXONC", 0x540a }, { "TCFLSH", 0x540b },
	{ "TIOCSCTTY", 0x540e }, { "TIOCGPGRP", 0x540f }, { "TIOCSPGRP", 0x5410 },
	{ "TIOCOUTQ", 0x5411 }, { "TIOCGWINSZ", 0x5413 }, { "TIOCSWINSZ", 0x5414 },
	{ "FIONREAD", 0x541b }, { "FIONBIO", 0x5421 }, { "TIOCNOTTY", 0x5422 },
	{ "TIOCGSID", 0x5429 }, { "TIOCGPTN", 0x80045430 }, { "TIOCSPTLCK", 0x40045431 },
	{ "TIOCGPTPEER", 0x5441 }, { "FIONCLEX", 0x5450 }, { "FIOCLEX", 0x5451 },
	{ "FIGETBSZ", 2 }, { "FICLONE", 0x40049409 }, { "FS_IOC_GETFLAGS", 0x80086601 },

	{ "CLONE_NEWNS", 0x00020000 }, { "CLONE_NEWCGROUP", 0x02000000 },
	{ "CLONE_NEWUTS", 0x04000000 }, { "CLONE_NEWIPC", 0x08000000 },
	{ "CLONE_NEWUSER", 0x10000000 }, { "CLONE_NEWPID", 0x20000000 },
	{ "CLONE_NEWNET", 0x40000000 },

	{ "PR_SET_PDEATHSIG", 1 }, { "PR_GET_PDEATHSIG", 2 }, { "PR_GET_DUMPABLE", 3 },
	{ "PR_SET_DUMPABLE", 4 }, { "PR_GET_KEEPCAPS", 7 }, { "PR_SET_NAME", 15 },
	{ "PR_GET_NAME", 16 }, { "PR_GET_SECCOMP", 21 }, { "PR_CAPBSET_READ", 23 },
	{ "PR_GET_SECUREBITS", 27 }, { "PR_SET_TIMERSLACK", 29 }, { "PR_GET_TIMERSLACK", 30 },
	{ "PR_SET_CHILD_SUBREAPER", 36 }, { "PR_GET_CHILD_SUBREAPER", 37 },
	{ "PR_SET_NO_NEW_PRIVS", 38 }, { "PR_GET_NO_NEW_PRIVS", 39 },
	{ "PR_GET_TID_ADDRESS", 40 }, { "PR_SET_THP_DISABLE", 41 }, { "PR_GET_THP_DISABLE", 42 },
	{ "PR_GET_SPECULATION_CTRL", 52 }, { "PR_SET_VMA", 0x53564d41 },
	{ "PR_SET_PTRACER", 0x59616d61 },

	{ "ARCH_SET_GS", 0x1001 }, { "ARCH_SET_FS", 0x1002 }, { "ARCH_GET_FS", 0x1003 },
	{ "ARCH_GET_GS", 0x1004 }, { "ARCH_GET_XCOMP_SUPP", 0x1021 },
	{ "ARCH_GET_XCOMP_PERM", 0x1022 }, { "ARCH_REQ_XCOMP_PERM", 0x1023 },
	{ "ARCH_CET_STATUS", 0x3001 },
	{ "PER_QUERY", 0xffffffff },

	{ "AF_UNIX", 1 }, { "AF_INET", 2 }, { "AF_INET6", 10 }, { "AF_NETLINK", 16 },
	{ "SOCK_TYPE_MASK", 0xf }, { "SOCK_STREAM", 1 }, { "SOCK_DGRAM", 2 }, { "SOCK_RAW", 3 },
	{ "SOCK_SEQPACKET", 5 },
	{ "IPPROTO_IP", 0 }, { "IPPROTO_TCP", 6 }, { "IPPROTO_UDP", 17 }, { "IPPROTO_MPTCP", 262 },
	{ "NETLINK_ROUTE", 0 },
};

static const struct symbol errnos[] = {
	{ "pretend", 0 }, { "EPERM", 1 }, { "EACCES", 13 }, { "EINVAL", 22 }, { "ENOTTY", 25 },
	{ "ENOSYS", 38 }, { "EPROTONOSUPPORT", 93 }, { "ENOTSUP", 95 }, { "EAFNOSUPPORT", 97 },
};

static bool find(const struct symbol *table, size_t n, const char *name, size_t len,
		 uint32_t *ret_value)
{
	for (size_t i = 0; i < n; i++) {
		if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0) {
			*ret_value = table[i].value;
			return true;
		}
	}
	return false;
}

bool symbol_find(const char *name, size_t len, uint32_t *ret_value)
{
	return find(symbols, COUNT(symbols), name, len, ret_value);
}

bool symbol_find_errno(const char *name, uint32_t *ret_value)
{
	return find(errnos, COUNT(errnos), name, strlen(name), ret_value);
}
