// SPDX-License-Identifier: Apache-2.0
/*
 * Runs the compiled filters in a small BPF machine and compares what they say with lists written
 * by hand here, not with those they were made from. Names of arguments come from the system's
 * headers, so that the generator's own numbers are checked too.
 *
 * With -DFILTER_ARCH_AARCH64 it expects the filters of that architecture, on any machine.
 */
#include "filter_data.h"
#include "filters.inc"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef FILTER_ARCH_AARCH64
#define __ARCH_WANT_RENAMEAT
#define __ARCH_WANT_NEW_STAT
#define __ARCH_WANT_SET_GET_RLIMIT
#define __ARCH_WANT_SYS_CLONE3
#define __ARCH_WANT_MEMFD_SECRET
#include <asm-generic/unistd.h>
#else
#include <asm/prctl.h>
#include <sys/syscall.h>
#endif

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NR(name) __NR_##name

enum {
	NR_MAX = 500,			/* beyond the last call of any kernel so far */
	PATH_MAX_INSNS = 25,
	NR_open_tree_attr = 467,	/* newer than the headers */
	NR_file_setattr = 469,
};

/* Which profiles a case is about. */
enum { BASE = 1, STRICT = 2, CHROMIUM = 4, OTHERS = BASE | CHROMIUM, ALL = 7 };

#define ALLOW SECCOMP_RET_ALLOW
#define ERR(e) (SECCOMP_RET_ERRNO | (e))
#define TELL(e) (SECCOMP_RET_USER_NOTIF | (e))	/* the errno is that of the table of answers */
#define KILL SECCOMP_RET_KILL_PROCESS
#define BROKEN 0xdeadbeefU			/* of the machine: the program is not sound */

static unsigned tests, failures;

__attribute__((format(printf, 2, 3)))
static void ok(bool good, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %u - ", good ? "" : "not ", ++tests);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	failures += !good;
}

/* ---- The machine ---- */

struct prog {
	const struct sock_filter *insns;
	unsigned n;
};

static bool jump(const struct sock_filter *f, uint32_t acc, unsigned *ret_skip)
{
	bool holds = false;

	switch (f->code) {
	case BPF_JMP | BPF_JA:
		*ret_skip = f->k;
		return true;
	case BPF_JMP | BPF_JEQ | BPF_K:
		holds = acc == f->k;
		break;
	case BPF_JMP | BPF_JGE | BPF_K:
		holds = acc >= f->k;
		break;
	default:
		return false;
	}
	*ret_skip = holds ? f->jt : f->jf;
	return true;
}

static uint32_t run(struct prog p, const struct seccomp_data *data)
{
	uint32_t acc = 0;
	unsigned skip;

	for (unsigned pc = 0; pc < p.n; pc++) {
		const struct sock_filter *f = &p.insns[pc];

		if (f->code == (BPF_RET | BPF_K))
			return f->k;
		if (f->code == (BPF_LD | BPF_W | BPF_ABS) && f->k <= sizeof(*data) - sizeof(acc))
			memcpy(&acc, (const char *)data + f->k, sizeof(acc));
		else if (f->code == (BPF_ALU | BPF_AND | BPF_K))
			acc &= f->k;
		else if (jump(f, acc, &skip))
			pc += skip;
		else
			return BROKEN;
	}
	return BROKEN;
}

/* Whether a program can come to action, from pc on, for the call nr with whatever arguments. */
static bool may(struct prog p, unsigned pc, uint32_t nr, uint32_t acc, bool is_known,
		uint32_t action)
{
	const struct sock_filter *f = &p.insns[pc];
	unsigned skip;

	if (pc >= p.n)
		return false;
	switch (BPF_CLASS(f->code)) {
	case BPF_RET:
		return (f->k & SECCOMP_RET_ACTION_FULL) == action;
	case BPF_LD:
		is_known = f->k < offsetof(struct seccomp_data, instruction_pointer);
		acc = f->k == offsetof(struct seccomp_data, nr) ? nr : FILTER_AUDIT_ARCH;
		return may(p, pc + 1, nr, acc, is_known, action);
	case BPF_ALU:
		return may(p, pc + 1, nr, acc & f->k, is_known, action);
	default:
		if (!jump(f, acc, &skip))
			return false;
		if (is_known || BPF_OP(f->code) == BPF_JA)
			return may(p, pc + 1 + skip, nr, acc, is_known, action);
		return may(p, pc + 1 + f->jt, nr, acc, false, action)
		       || may(p, pc + 1 + f->jf, nr, acc, false, action);
	}
}

/* Whether what becomes of the call nr depends on its arguments. */
static bool looks_at_args(struct prog p, uint32_t nr)
{
	uint32_t acc = 0;
	unsigned skip;

	for (unsigned pc = 0; pc < p.n; pc++) {
		const struct sock_filter *f = &p.insns[pc];

		if (BPF_CLASS(f->code) == BPF_LD) {
			if (f->k >= offsetof(struct seccomp_data, args))
				return true;
			acc = f->k == offsetof(struct seccomp_data, nr) ? nr : FILTER_AUDIT_ARCH;
		} else if (jump(f, acc, &skip)) {
			pc += skip;
		} else {
			return false;
		}
	}
	return false;
}

static struct prog notifying(const struct filter_set *set)
{
	return (struct prog){ set->notify_insns, set->notify_n };
}

static struct prog plain(const struct filter_set *set)
{
	return (struct prog){ set->plain_insns, set->plain_n };
}

static const struct filter_answer *answer(const struct filter_set *set, int nr)
{
	for (size_t i = 0; i < set->answers_n; i++) {
		if (set->answers[i].nr == nr)
			return &set->answers[i];
	}
	return NULL;
}

/* What a set makes of a call, with the errno of its answer if it is told. */
static uint32_t ask(const struct filter_set *set, const struct seccomp_data *data)
{
	uint32_t act = run(notifying(set), data);

	if (act == SECCOMP_RET_USER_NOTIF) {
		const struct filter_answer *a = answer(set, data->nr);

		return a ? TELL((uint32_t)a->err) : BROKEN;
	}
	return act;
}

/* ---- The expectations ---- */

/* All that base lets through, whatever the arguments or for some. */
static const int reached[] = {
	NR(read), NR(write), NR(close), NR(fstat), NR(lseek), NR(mmap), NR(mprotect), NR(munmap),
	NR(brk), NR(rt_sigaction), NR(rt_sigprocmask), NR(rt_sigreturn), NR(ioctl), NR(pread64),
	NR(pwrite64), NR(readv), NR(writev), NR(sched_yield), NR(mremap), NR(msync), NR(mincore),
	NR(madvise), NR(dup), NR(nanosleep), NR(getitimer), NR(setitimer), NR(getpid),
	NR(sendfile), NR(socket), NR(connect), NR(accept), NR(sendto), NR(recvfrom), NR(sendmsg),
	NR(recvmsg), NR(shutdown), NR(bind), NR(listen), NR(getsockname), NR(getpeername),
	NR(socketpair), NR(setsockopt), NR(getsockopt), NR(clone), NR(execve), NR(exit),
	NR(wait4), NR(kill), NR(uname), NR(fcntl), NR(flock), NR(fsync), NR(fdatasync),
	NR(truncate), NR(ftruncate), NR(getcwd), NR(chdir), NR(fchdir), NR(fchmod), NR(fchown),
	NR(umask), NR(gettimeofday), NR(getrlimit), NR(getrusage), NR(sysinfo), NR(times),
	NR(getuid), NR(getgid), NR(setuid), NR(setgid), NR(geteuid), NR(getegid), NR(setpgid),
	NR(getppid), NR(setsid), NR(setreuid), NR(setregid), NR(getgroups), NR(setresuid),
	NR(getresuid), NR(setresgid), NR(getresgid), NR(getpgid), NR(getsid), NR(capget),
	NR(rt_sigpending), NR(rt_sigtimedwait), NR(rt_sigqueueinfo), NR(rt_sigsuspend),
	NR(sigaltstack), NR(personality), NR(statfs), NR(fstatfs), NR(getpriority),
	NR(setpriority), NR(sched_getparam), NR(sched_getscheduler), NR(sched_get_priority_max),
	NR(sched_get_priority_min), NR(sched_rr_get_interval), NR(prctl), NR(setrlimit),
	NR(gettid), NR(readahead), NR(getxattr), NR(lgetxattr), NR(fgetxattr), NR(listxattr),
	NR(llistxattr), NR(flistxattr), NR(tkill), NR(futex), NR(sched_getaffinity),
	NR(getdents64), NR(set_tid_address), NR(restart_syscall), NR(fadvise64), NR(timer_create),
	NR(timer_settime), NR(timer_gettime), NR(timer_getoverrun), NR(timer_delete),
	NR(clock_gettime), NR(clock_getres), NR(clock_nanosleep), NR(exit_group), NR(epoll_ctl),
	NR(tgkill), NR(waitid), NR(inotify_add_watch), NR(inotify_rm_watch), NR(openat),
	NR(mkdirat), NR(mknodat), NR(fchownat), NR(newfstatat), NR(unlinkat), NR(renameat),
	NR(linkat), NR(symlinkat), NR(readlinkat), NR(fchmodat), NR(faccessat), NR(pselect6),
	NR(ppoll), NR(set_robust_list), NR(get_robust_list), NR(utimensat), NR(epoll_pwait),
	NR(timerfd_create), NR(fallocate), NR(timerfd_settime), NR(timerfd_gettime), NR(accept4),
	NR(signalfd4), NR(eventfd2), NR(epoll_create1), NR(dup3), NR(pipe2), NR(inotify_init1),
	NR(preadv), NR(pwritev), NR(rt_tgsigqueueinfo), NR(recvmmsg), NR(prlimit64), NR(sendmmsg),
	NR(getcpu), NR(sched_getattr), NR(renameat2), NR(getrandom), NR(membarrier),
	NR(copy_file_range), NR(preadv2), NR(pwritev2), NR(statx), NR(rseq), NR(pidfd_open),
	NR(close_range), NR(faccessat2), NR(epoll_pwait2), NR(futex_waitv),
#ifndef FILTER_ARCH_AARCH64
	NR(open), NR(stat), NR(lstat), NR(poll), NR(access), NR(pipe), NR(select), NR(dup2),
	NR(pause), NR(alarm), NR(fork), NR(vfork), NR(getdents), NR(rename), NR(mkdir), NR(rmdir),
	NR(creat), NR(link), NR(unlink), NR(symlink), NR(readlink), NR(chmod), NR(chown),
	NR(lchown), NR(getpgrp), NR(utime), NR(mknod), NR(arch_prctl), NR(time), NR(epoll_create),
	NR(epoll_wait), NR(utimes), NR(inotify_init), NR(futimesat), NR(eventfd),
#endif
};

/* Of these, what strict does without. */
static const int strict_lost[] = {
	NR(mknodat), NR(setuid), NR(setgid), NR(setreuid), NR(setregid), NR(setresuid),
	NR(setresgid), NR(inotify_init1), NR(inotify_add_watch), NR(inotify_rm_watch),
	NR(pidfd_open), NR(futex_waitv), NR(signalfd4), NR(sendmmsg), NR(recvmmsg),
	NR(get_robust_list), NR(epoll_pwait2), NR(rt_sigqueueinfo), NR(rt_tgsigqueueinfo),
	NR(personality), NR(readahead),
#ifndef FILTER_ARCH_AARCH64
	NR(mknod), NR(inotify_init), NR(getdents), NR(utime), NR(futimesat), NR(epoll_create),
	NR(eventfd),
#endif
};

/* What chromium has besides. */
static const int chromium_gained[] = {
	NR(memfd_create), NR(pkey_alloc), NR(pkey_free), NR(pkey_mprotect), NR(sched_setaffinity),
	NR(sched_setparam), NR(sched_setscheduler), NR(sched_setattr), NR(capset),
};

/* What the supervisor is told of. */
static const struct filter_answer told[] = {
	{ NR(unshare), EPERM, "unshare" }, { NR(setns), EPERM, "setns" },
	{ NR(chroot), EPERM, "chroot" }, { NR(pivot_root), EPERM, "pivot_root" },
	{ NR(mount), EPERM, "mount" }, { NR(umount2), EPERM, "umount2" },
	{ NR(open_tree), ENOSYS, "open_tree" }, { NR_open_tree_attr, ENOSYS, "open_tree_attr" },
	{ NR(move_mount), ENOSYS, "move_mount" }, { NR(fsopen), ENOSYS, "fsopen" },
	{ NR(fsconfig), ENOSYS, "fsconfig" }, { NR(fsmount), ENOSYS, "fsmount" },
	{ NR(fspick), ENOSYS, "fspick" }, { NR(mount_setattr), ENOSYS, "mount_setattr" },
	{ NR(ptrace), EPERM, "ptrace" }, { NR(process_vm_readv), EPERM, "process_vm_readv" },
	{ NR(process_vm_writev), EPERM, "process_vm_writev" },
	{ NR(pidfd_getfd), EPERM, "pidfd_getfd" }, { NR(bpf), EPERM, "bpf" },
	{ NR(perf_event_open), EPERM, "perf_event_open" }, { NR(add_key), EPERM, "add_key" },
	{ NR(request_key), EPERM, "request_key" }, { NR(keyctl), EPERM, "keyctl" },
	{ NR(init_module), EPERM, "init_module" }, { NR(finit_module), EPERM, "finit_module" },
	{ NR(delete_module), EPERM, "delete_module" }, { NR(kexec_load), EPERM, "kexec_load" },
	{ NR(kexec_file_load), EPERM, "kexec_file_load" }, { NR(swapon), EPERM, "swapon" },
	{ NR(swapoff), EPERM, "swapoff" }, { NR(reboot), EPERM, "reboot" },
	{ NR(userfaultfd), EPERM, "userfaultfd" },
	{ NR(name_to_handle_at), EPERM, "name_to_handle_at" },
	{ NR(open_by_handle_at), EPERM, "open_by_handle_at" },
	{ NR(socket), EAFNOSUPPORT, "socket" }, { NR(clone), EPERM, "clone" },
};

/* The kernel drops the upper half of an int. */
#define UPPER(x) (0xffffffff00000000ULL | (uint32_t)(x))
#define NEWUSER ((uint64_t)CLONE_NEWUSER)
#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM \
		| CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

static const struct {
	unsigned in;
	uint32_t nr;
	uint64_t args[4];
	uint32_t want;
	const char *what;
} cases[] = {
	{ ALL, NR(read), { 0 }, ALLOW, "read" },
	{ ALL, NR(execve), { 0 }, ALLOW, "execve" },
	{ ALL, NR(clone3), { 0 }, ERR(ENOSYS), "clone3 is unknown, so that libc uses clone" },
	{ ALL, NR(openat2), { 0 }, ERR(ENOSYS), "openat2 is unknown" },
	{ ALL, NR(io_uring_setup), { 0 }, ERR(ENOSYS), "io_uring is unknown and not told" },
	{ ALL, NR(execveat), { 0 }, ERR(ENOSYS), "execveat" },
	{ ALL, NR(splice), { 0 }, ERR(ENOSYS), "splice" },
	{ ALL, NR(shmget), { 0 }, ERR(ENOSYS), "System V memory" },
	{ ALL, NR_file_setattr, { 0 }, ERR(ENOSYS), "a call that came later" },
	{ ALL, NR_MAX, { 0 }, ERR(ENOSYS), "a call that no kernel has" },
	{ ALL, UINT32_MAX, { 0 }, ERR(ENOSYS), "call -1" },
	{ ALL, NR(sync), { 0 }, ERR(0), "sync does nothing and succeeds" },
	{ ALL, NR(mlock), { 0 }, ERR(EPERM), "mlock" },
	{ ALL, NR(munlock), { 0 }, ERR(0), "munlock" },
	{ ALL, NR(fsetxattr), { 0 }, ERR(ENOTSUP), "an extended attribute" },
	{ ALL, NR(seccomp), { 1, 8 }, ERR(EPERM), "a filter or listener of its own" },
	{ ALL, NR(pidfd_send_signal), { 0 }, ERR(EPERM), "pidfd_send_signal" },
	{ ALL, NR(kcmp), { 0 }, ERR(EPERM), "kcmp" },
	{ ALL, NR(fanotify_init), { 0 }, ERR(EPERM), "fanotify_init" },
	{ ALL, NR(process_madvise), { 0 }, ERR(EPERM), "process_madvise" },
	{ ALL, NR(mbind), { 0 }, ERR(ENOSYS), "mbind" },
	{ ALL, NR(setgroups), { 0 }, ERR(EPERM), "setgroups" },
	{ ALL, NR(landlock_create_ruleset), { 0 }, ERR(ENOSYS), "landlock_create_ruleset" },
	{ ALL, NR(syslog), { 0 }, ERR(EPERM), "syslog" },
	{ STRICT, NR(pidfd_open), { 0 }, ERR(ENOSYS), "pidfd_open" },
	{ STRICT, NR(rt_sigqueueinfo), { 0 }, ERR(EPERM), "rt_sigqueueinfo" },
	{ STRICT, NR(readahead), { 0 }, ERR(ENOSYS), "readahead" },
	{ ALL, NR(clock_settime), { 0 }, ERR(EPERM), "clock_settime" },
	{ OTHERS, NR(setresuid), { 0 }, ALLOW, "setresuid" },
	{ STRICT, NR(setresuid), { 0 }, ERR(EPERM), "setresuid" },
	{ BASE | STRICT, NR(memfd_create), { 0 }, ERR(ENOSYS), "memfd_create" },
	{ CHROMIUM, NR(memfd_create), { 0 }, ALLOW, "memfd_create" },
	{ BASE | STRICT, NR(sched_setscheduler), { 0 }, ERR(EPERM), "sched_setscheduler" },
	{ CHROMIUM, NR(sched_setscheduler), { 0 }, ALLOW, "sched_setscheduler" },
	{ STRICT, NR(inotify_init1), { 0 }, ERR(ENOSYS), "inotify_init1" },

	{ ALL, NR(clone), { THREAD }, ALLOW, "clone of a thread" },
	{ ALL, NR(clone), { CLONE_VM | CLONE_VFORK | 17 }, ALLOW, "clone as vfork" },
	{ ALL, NR(clone), { CLONE_NEWUSER | 17 }, TELL(EPERM), "clone with a user namespace" },
	{ ALL, NR(clone), { CLONE_NEWNS | 17 }, TELL(EPERM), "clone with a mount namespace" },
	{ ALL, NR(clone), { CLONE_NEWPID }, TELL(EPERM), "clone with a pid namespace" },
	{ ALL, NR(clone), { CLONE_NEWNET }, TELL(EPERM), "clone with a net namespace" },
	{ ALL, NR(clone), { CLONE_NEWIPC }, TELL(EPERM), "clone with an ipc namespace" },
	{ ALL, NR(clone), { CLONE_NEWUTS }, TELL(EPERM), "clone with a uts namespace" },
	{ ALL, NR(clone), { CLONE_NEWCGROUP }, TELL(EPERM), "clone with a cgroup namespace" },
	{ ALL, NR(clone), { UPPER(NEWUSER) }, TELL(EPERM),
	  "clone with a namespace, upper half set" },
	{ ALL, NR(clone), { UPPER(17) }, ALLOW, "clone, upper half set" },

	{ ALL, NR(socket), { AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC }, ALLOW, "a local socket" },
	{ OTHERS, NR(socket), { AF_INET, SOCK_STREAM }, ALLOW, "TCP" },
	{ OTHERS, NR(socket), { AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP }, ALLOW,
	  "TCP over IPv6" },
	{ OTHERS, NR(socket), { AF_INET, SOCK_DGRAM, IPPROTO_UDP }, ALLOW, "UDP" },
	{ OTHERS, NR(socket), { AF_INET, SOCK_DGRAM }, ALLOW, "UDP by default" },
	{ ALL, NR(socket), { AF_UNIX, SOCK_DGRAM }, ALLOW, "a local socket of datagrams" },
	{ STRICT, NR(socket), { AF_INET, SOCK_STREAM }, ERR(EAFNOSUPPORT), "TCP, not told" },
	{ STRICT, NR(socket), { AF_INET6, SOCK_DGRAM }, ERR(EAFNOSUPPORT), "UDP, not told" },
	{ STRICT, NR(socket), { AF_UNIX, SOCK_RAW }, TELL(EAFNOSUPPORT), "a raw local socket" },
	{ BASE, NR(socket), { AF_INET, SOCK_STREAM, IPPROTO_MPTCP }, ERR(EPROTONOSUPPORT),
	  "multipath TCP, not told" },
	{ OTHERS, NR(socket), { AF_INET, SOCK_RAW, IPPROTO_TCP }, TELL(EAFNOSUPPORT), "raw IP" },
	{ OTHERS, NR(socket), { AF_INET, SOCK_DGRAM, IPPROTO_ICMP }, TELL(EAFNOSUPPORT), "ping" },
	{ OTHERS, NR(socket), { AF_INET, SOCK_STREAM, IPPROTO_UDP }, TELL(EAFNOSUPPORT),
	  "a stream of UDP" },
	{ OTHERS, NR(socket), { AF_INET, SOCK_STREAM, IPPROTO_SCTP }, TELL(EAFNOSUPPORT), "SCTP" },
	{ BASE | STRICT, NR(socket), { AF_NETLINK, SOCK_RAW, 0 }, ERR(EAFNOSUPPORT),
	  "netlink, not told" },
	{ CHROMIUM, NR(socket), { AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0 }, ALLOW,
	  "netlink route" },
	{ CHROMIUM, NR(socket), { AF_NETLINK, SOCK_RAW, 12 }, ERR(EAFNOSUPPORT),
	  "netlink of netfilter" },
	{ ALL, NR(socket), { AF_ALG, SOCK_SEQPACKET }, TELL(EAFNOSUPPORT), "AF_ALG" },
	{ ALL, NR(socket), { AF_VSOCK, SOCK_STREAM }, TELL(EAFNOSUPPORT), "AF_VSOCK" },
	{ ALL, NR(socket), { AF_PACKET, SOCK_RAW }, TELL(EAFNOSUPPORT), "AF_PACKET" },
	{ ALL, NR(socket), { UPPER(AF_ALG), SOCK_SEQPACKET }, TELL(EAFNOSUPPORT),
	  "AF_ALG, upper half set" },
	{ ALL, NR(socket), { UPPER(AF_UNIX), UPPER(SOCK_STREAM) }, ALLOW,
	  "a local socket, upper half set" },
	{ ALL, NR(socketpair), { AF_UNIX, SOCK_STREAM }, ALLOW, "a local pair" },
	{ ALL, NR(socketpair), { AF_INET, SOCK_STREAM }, ERR(EAFNOSUPPORT), "another pair" },

	{ ALL, NR(ioctl), { 1, TCGETS }, ALLOW, "TCGETS" },
	{ ALL, NR(ioctl), { 1, FIONBIO }, ALLOW, "FIONBIO" },
	{ ALL, NR(ioctl), { 1, FICLONE }, ALLOW, "FICLONE" },
	{ OTHERS, NR(ioctl), { 1, FIGETBSZ }, ALLOW, "FIGETBSZ" },
	{ OTHERS, NR(ioctl), { 1, TIOCSPTLCK }, ALLOW, "TIOCSPTLCK" },
	{ STRICT, NR(ioctl), { 1, TIOCSPTLCK }, ERR(ENOTTY), "TIOCSPTLCK" },
	{ ALL, NR(ioctl), { 1, UPPER(TCGETS) }, ALLOW, "TCGETS, upper half set" },
	{ ALL, NR(ioctl), { 0, TIOCSTI }, ERR(ENOTTY), "TIOCSTI" },
	{ ALL, NR(ioctl), { 0, UPPER(TIOCSTI) }, ERR(ENOTTY), "TIOCSTI, upper half set" },
	{ ALL, NR(ioctl), { 0, TIOCLINUX }, ERR(ENOTTY), "TIOCLINUX" },
	{ ALL, NR(ioctl), { 0, TIOCSETD }, ERR(ENOTTY), "TIOCSETD" },
	{ ALL, NR(ioctl), { 0, FS_IOC_SETFLAGS }, ERR(ENOTTY), "FS_IOC_SETFLAGS" },

	{ ALL, NR(fcntl), { 1, F_DUPFD_CLOEXEC }, ALLOW, "F_DUPFD_CLOEXEC" },
	{ ALL, NR(fcntl), { 1, F_OFD_SETLKW }, ALLOW, "F_OFD_SETLKW" },
	{ ALL, NR(fcntl), { 1, F_SETLEASE }, ERR(EPERM), "F_SETLEASE" },
	{ ALL, NR(fcntl), { 1, UPPER(F_SETLEASE) }, ERR(EPERM), "F_SETLEASE, upper half set" },
	{ ALL, NR(fcntl), { 1, F_SETOWN }, ERR(EPERM), "F_SETOWN" },
	{ ALL, NR(fcntl), { 1, F_SETOWN_EX }, ERR(EPERM), "F_SETOWN_EX" },
	{ ALL, NR(fcntl), { 1, F_SETSIG }, ERR(EPERM), "F_SETSIG" },
	{ ALL, NR(fcntl), { 1, F_NOTIFY }, ERR(EPERM), "F_NOTIFY" },
	{ ALL, NR(fcntl), { 1, F_SETPIPE_SZ }, ERR(EPERM), "F_SETPIPE_SZ" },
	{ ALL, NR(fcntl), { 1, 12345 }, ERR(EINVAL), "a command that came later" },

	{ ALL, NR(prctl), { PR_SET_NAME }, ALLOW, "PR_SET_NAME" },
	{ ALL, NR(prctl), { PR_SET_PTRACER }, ALLOW, "PR_SET_PTRACER" },
	{ ALL, NR(prctl), { PR_SET_SECCOMP }, ERR(EINVAL), "PR_SET_SECCOMP" },
	{ ALL, NR(prctl), { UPPER(PR_SET_SECCOMP) }, ERR(EINVAL),
	  "PR_SET_SECCOMP, upper half set" },
	{ ALL, NR(prctl), { PR_SET_MM }, ERR(EINVAL), "PR_SET_MM" },
	{ ALL, NR(prctl), { PR_CAP_AMBIENT }, ERR(EINVAL), "PR_CAP_AMBIENT" },
	{ ALL, NR(prctl), { PR_SET_SPECULATION_CTRL }, ERR(EINVAL), "PR_SET_SPECULATION_CTRL" },

	{ ALL, NR(prlimit64), { 0, 7 }, ALLOW, "prlimit64 of oneself" },
	{ ALL, NR(prlimit64), { 1, 7 }, ERR(EPERM), "prlimit64 of process 1" },
	{ ALL, NR(prlimit64), { UPPER(1), 7 }, ERR(EPERM), "the same, upper half set" },
	{ OTHERS, NR(personality), { 0xffffffff }, ALLOW, "personality, asking" },
	{ OTHERS, NR(personality), { 0x0040000 }, ERR(EPERM), "ADDR_NO_RANDOMIZE" },
	{ STRICT, NR(personality), { 0xffffffff }, ERR(EPERM), "personality, asking" },

	{ ALL, NR(openat), { 0, 0, O_RDONLY, 07777 }, ALLOW, "openat, mode of no meaning" },
	{ ALL, NR(openat), { 0, 0, O_CREAT | O_WRONLY, 0644 }, ALLOW, "openat that makes a file" },
	{ ALL, NR(openat), { 0, 0, O_CREAT, 04755 }, ERR(EPERM),
	  "openat that makes a set-uid file" },
	{ ALL, NR(openat), { 0, 0, 0x400000, 02755 }, ERR(EPERM), "an unnamed set-gid file" },
	{ ALL, NR(openat), { 0, 0, UPPER(O_CREAT), UPPER(04755) }, ERR(EPERM),
	  "a set-uid file, upper halves set" },
	{ ALL, NR(openat), { 0, 0, O_CREAT, 02755 }, ERR(EPERM),
	  "openat that makes a set-gid file" },
	{ ALL, NR(openat), { 0, 0, 0x400000 | O_DIRECTORY | O_RDWR, 0600 }, ALLOW, "O_TMPFILE" },
	{ ALL, NR(fchmod), { 3, 0755 }, ALLOW, "fchmod" },
	{ ALL, NR(fchmod), { 3, S_ISUID | 0755 }, ERR(EPERM), "fchmod to set-uid" },
	{ ALL, NR(fchmod), { 3, S_ISGID | 0755 }, ERR(EPERM), "fchmod to set-gid" },
	{ ALL, NR(fchmodat), { 3, 0, S_ISUID | 0755 }, ERR(EPERM), "fchmodat to set-uid" },
	{ ALL, NR(fchmodat), { 3, 0, S_ISGID | 0755 }, ERR(EPERM), "fchmodat to set-gid" },
	{ ALL, NR(fchmodat), { 3, 0, S_ISVTX | 0755 }, ALLOW, "fchmodat to sticky" },
	{ ALL, NR(mkdirat), { 3, 0, S_ISVTX | 0777 }, ALLOW, "mkdirat, sticky" },
	{ ALL, NR(mkdirat), { 3, 0, S_ISGID | 0777 }, ERR(EPERM), "mkdirat, set-gid" },
	{ OTHERS, NR(mknodat), { 3, 0, S_IFIFO | 0600 }, ALLOW, "a FIFO" },
	{ STRICT, NR(mknodat), { 3, 0, S_IFIFO | 0600 }, ERR(EPERM), "a FIFO" },
	{ OTHERS, NR(mknodat), { 3, 0, 0600 }, ALLOW, "a plain file by mknodat" },
	{ OTHERS, NR(mknodat), { 3, 0, S_IFREG | 0600 }, ALLOW, "a plain file by its kind" },
	{ ALL, NR(mknodat), { 3, 0, S_IFREG | 04755 }, ERR(EPERM), "a set-uid file by mknodat" },
	{ ALL, NR(mknodat), { 3, 0, 02755 }, ERR(EPERM), "a set-gid file by mknodat" },
	{ ALL, NR(mknodat), { 3, 0, S_IFCHR | 0600, 0 }, ERR(EPERM), "a whiteout node" },
	{ ALL, NR(mknodat), { 3, 0, S_IFBLK | 0600, 1 }, ERR(EPERM), "a block device" },
	{ ALL, NR(mknodat), { 3, 0, S_IFSOCK | 0600 }, ERR(EPERM), "a socket node" },

#ifdef FILTER_ARCH_AARCH64
	{ ALL, 0x40000000, { 0 }, ERR(ENOSYS), "a number that x32 would have" },
#else
	{ ALL, NR(open), { 0, O_CREAT, 0644 }, ALLOW, "open that makes a file" },
	{ ALL, NR(open), { 0, O_CREAT, 04755 }, ERR(EPERM), "open that makes a set-uid file" },
	{ ALL, NR(open), { 0, O_CREAT, 02755 }, ERR(EPERM), "open that makes a set-gid file" },
	{ ALL, NR(open), { 0, O_RDWR, 04755 }, ALLOW, "open, mode of no meaning" },
	{ ALL, NR(creat), { 0, 0644 }, ALLOW, "creat" },
	{ ALL, NR(creat), { 0, 04755 }, ERR(EPERM), "creat of a set-uid file" },
	{ ALL, NR(creat), { 0, 02755 }, ERR(EPERM), "creat of a set-gid file" },
	{ ALL, NR(chmod), { 0, 04755 }, ERR(EPERM), "chmod to set-uid" },
	{ ALL, NR(chmod), { 0, 02755 }, ERR(EPERM), "chmod to set-gid" },
	{ OTHERS, NR(mknod), { 0, S_IFREG | 0600 }, ALLOW, "a plain file by mknod" },
	{ OTHERS, NR(mknod), { 0, S_IFIFO | 0600 }, ALLOW, "a FIFO by mknod" },
	{ ALL, NR(mknod), { 0, 04755 }, ERR(EPERM), "a set-uid file by mknod" },
	{ ALL, NR(mkdir), { 0, 02755 }, ERR(EPERM), "mkdir, set-gid" },
	{ ALL, NR(mknod), { 0, S_IFCHR | 0600, 0 }, ERR(EPERM), "a whiteout node by mknod" },
	{ ALL, NR(arch_prctl), { ARCH_SET_FS }, ALLOW, "ARCH_SET_FS" },
	{ STRICT, NR(arch_prctl), { 0x1012 }, ERR(EINVAL), "ARCH_SET_CPUID" },
	{ ALL, NR(arch_prctl), { ARCH_SET_GS }, ALLOW, "ARCH_SET_GS" },
	{ ALL, NR(arch_prctl), { ARCH_GET_FS }, ALLOW, "ARCH_GET_FS" },
	{ ALL, NR(arch_prctl), { ARCH_GET_GS }, ALLOW, "ARCH_GET_GS" },
	{ ALL, NR(arch_prctl), { 0x1022 }, ALLOW, "ARCH_GET_XCOMP_PERM" },
	{ ALL, NR(arch_prctl), { 0x1023 }, ALLOW, "ARCH_REQ_XCOMP_PERM" },
	{ ALL, NR(modify_ldt), { 1 }, ERR(EPERM), "modify_ldt" },
	{ ALL, NR(vfork), { 0 }, ALLOW, "vfork" },
	{ ALL, 0x40000000, { 0 }, KILL, "read by its x32 number" },
	{ ALL, 0x40000000 + 520, { 0 }, KILL, "x32's own execve" },
	{ ALL, 0x7fffffff, { 0 }, KILL, "the last number of x32" },
	{ ALL, 0xfffffffe, { 0 }, KILL, "call -2" },
#endif
};

/* All values of one argument that are let through; the first n of each list go for strict. */
static const uint32_t ioctls[] = {
	TCGETS, TIOCGWINSZ, TIOCGPGRP, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, FICLONE,
	FS_IOC_GETFLAGS,
	TCSETS, TCSETSW, TCSETSF, TCGETA, TCSBRK, TCXONC, TCFLSH, TIOCSCTTY, TIOCNOTTY, TIOCSPGRP,
	TIOCOUTQ, TIOCSWINSZ, TIOCGSID, TIOCGPTN, TIOCSPTLCK, TIOCGPTPEER, FIGETBSZ,
};

static const uint32_t fcntls[] = {
	F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, 5 /* F_GETLK */,
	6 /* F_SETLK */, 7 /* F_SETLKW */, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_GETPIPE_SZ,
	F_GETOWN, F_GETOWN_EX, F_GETSIG, F_GETLEASE, F_ADD_SEALS, F_GET_SEALS,
};

static const uint32_t prctls[] = {
	PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_GET_KEEPCAPS,
	PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_CAPBSET_READ, PR_GET_SECUREBITS,
	PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER,
	PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_GET_TID_ADDRESS, PR_SET_THP_DISABLE,
	PR_GET_THP_DISABLE, PR_GET_SPECULATION_CTRL, PR_SET_VMA, PR_SET_PTRACER,
};

static const struct {
	const char *name;
	int nr;
	unsigned arg;
	const uint32_t *list;
	size_t n, strict_n;
} lists[] = {
	{ "ioctl", NR(ioctl), 1, ioctls, COUNT(ioctls), 9 },
	{ "fcntl", NR(fcntl), 1, fcntls, COUNT(fcntls), 13 },
	{ "prctl", NR(prctl), 0, prctls, COUNT(prctls), COUNT(prctls) },
};

static unsigned set_bit(const struct filter_set *set)
{
	static const char *const names[] = { "base", "strict", "chromium" };

	for (unsigned i = 0; i < COUNT(names); i++) {
		if (strcmp(set->name, names[i]) == 0)
			return 1U << i;
	}
	return 0;
}

static bool in_list(const int *list, size_t n, int nr)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i] == nr)
			return true;
	}
	return false;
}

static bool is_reached(const struct filter_set *set, int nr)
{
	bool listed = in_list(reached, COUNT(reached), nr);

	switch (set_bit(set)) {
	case STRICT:
		return listed && !in_list(strict_lost, COUNT(strict_lost), nr);
	case CHROMIUM:
		return listed || in_list(chromium_gained, COUNT(chromium_gained), nr);
	default:
		return listed;
	}
}

/* ---- The tests ---- */

/* The longest way through, or 0 if a jump leads outside or a way ends in anything but a RET. */
static unsigned longest(struct prog p)
{
	unsigned steps[BPF_MAXINSNS + 1] = { 0 };	/* from here to the end; 0: no end */

	if (p.n == 0 || p.n > BPF_MAXINSNS)
		return 0;
	for (unsigned pc = p.n; pc-- > 0;) {
		const struct sock_filter *f = &p.insns[pc];
		bool is_jump = BPF_CLASS(f->code) == BPF_JMP;
		bool is_ja = f->code == (BPF_JMP | BPF_JA);
		uint64_t yes = (uint64_t)pc + 1 + (is_ja ? f->k : is_jump ? f->jt : 0);
		uint64_t no = is_jump && !is_ja ? (uint64_t)pc + 1 + f->jf : yes;

		if (f->code == (BPF_RET | BPF_K)) {
			steps[pc] = 1;
			continue;
		}
		if (yes >= p.n || no >= p.n || !steps[yes] || !steps[no])
			return 0;
		steps[pc] = 1 + (steps[yes] > steps[no] ? steps[yes] : steps[no]);
	}
	return steps[0];
}

static bool is_plain_insn(const struct sock_filter *f)
{
	switch (f->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		return f->k % 4 == 0 && f->k < sizeof(struct seccomp_data);
	case BPF_ALU | BPF_AND | BPF_K:
	case BPF_JMP | BPF_JA:
	case BPF_JMP | BPF_JEQ | BPF_K:
	case BPF_JMP | BPF_JGE | BPF_K:
	case BPF_RET | BPF_K:
		return true;
	default:
		return false;
	}
}

static void test_shape(const struct filter_set *set, struct prog p, const char *kind)
{
	unsigned steps = longest(p);
	bool good = true;

	for (unsigned i = 0; i < p.n; i++)
		good &= is_plain_insn(&p.insns[i]);
	ok(good, "%s, %s: nothing but loads, masks, jumps and returns", set->name, kind);
	ok(steps > 0, "%s, %s: each way goes forward and ends in a return", set->name, kind);
	ok(steps <= PATH_MAX_INSNS, "%s, %s: the longest way has %u of %u instructions", set->name,
	   kind, steps, p.n);
}

static void test_reached(const struct filter_set *set)
{
	unsigned n = 0, wrong = 0;

	for (int nr = 0; nr <= NR_MAX; nr++) {
		bool notify = may(notifying(set), 0, (uint32_t)nr, 0, true, SECCOMP_RET_ALLOW);
		bool bare = may(plain(set), 0, (uint32_t)nr, 0, true, SECCOMP_RET_ALLOW);
		bool want = is_reached(set, nr);

		n += notify;
		if (notify != want || bare != want) {
			printf("# call %d: %s\n", nr, want ? "out of reach" : "within reach");
			wrong++;
		}
	}
	/* S4-03, S4-69 */
	ok(wrong == 0, "%s: just the calls listed here are within reach", set->name);
	ok(n == set->calls, "%s: it says that they are %u, and they are %u", set->name, set->calls,
	   n);
}

static void test_told(const struct filter_set *set)
{
	unsigned wrong = 0;
	int last = -1;

	for (size_t i = 0; i < COUNT(told); i++) {
		const struct filter_answer *a = answer(set, told[i].nr);

		if (!a || a->err != told[i].err || strcmp(a->name, told[i].name) != 0) {
			printf("# %s: no answer, or another\n", told[i].name);
			wrong++;
		}
	}
	ok(wrong == 0 && set->answers_n == COUNT(told),
	   "%s: the %zu calls listed here have an answer", set->name, COUNT(told));
	wrong = 0;
	for (size_t i = 0; i < set->answers_n; i++) {
		wrong += set->answers[i].nr <= last;
		last = set->answers[i].nr;
	}
	ok(wrong == 0, "%s: answers are sorted and single", set->name);
	for (int nr = 0; nr <= NR_MAX; nr++) {
		if (may(notifying(set), 0, (uint32_t)nr, 0, true, SECCOMP_RET_USER_NOTIF)
		    != !!answer(set, nr))
			wrong++;
		if (may(plain(set), 0, (uint32_t)nr, 0, true, SECCOMP_RET_USER_NOTIF))
			wrong++;
	}
	ok(wrong == 0, "%s: whatever is told has an answer; the plain program tells nothing",
	   set->name);
}

static void test_cases(const struct filter_set *set)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct seccomp_data data = {
			.nr = (int)cases[i].nr, .arch = FILTER_AUDIT_ARCH, .args = {
				cases[i].args[0], cases[i].args[1], cases[i].args[2],
				cases[i].args[3], UINT64_MAX, UINT64_MAX,
			},
		};
		uint32_t got;

		if (!(cases[i].in & set_bit(set)))
			continue;
		got = ask(set, &data);
		ok(got == cases[i].want, "%s: %s", set->name, cases[i].what);
		if (got != cases[i].want)
			printf("# 0x%08x instead of 0x%08x\n", got, cases[i].want);
	}
}

static bool is_listed(size_t l, size_t n, uint32_t val)
{
	for (size_t i = 0; i < n; i++) {
		if (lists[l].list[i] == val)
			return true;
	}
	return false;
}

/* Tries all small values, and those of the list with their neighbours. */
static void test_list(const struct filter_set *set, size_t l)
{
	const uint32_t small = 0x10000;
	size_t n = set_bit(set) == STRICT ? lists[l].strict_n : lists[l].n;
	unsigned wrong = 0;

	for (uint32_t i = 0; i < small + 3 * lists[l].n; i++) {
		uint32_t val = i < small ? i : lists[l].list[(i - small) / 3] + i % 3 - 1;
		struct seccomp_data data = { .nr = lists[l].nr, .arch = FILTER_AUDIT_ARCH };

		data.args[lists[l].arg] = val;
		if ((run(plain(set), &data) == ALLOW) != is_listed(l, n, val)) {
			printf("# %s %#x\n", lists[l].name, val);
			wrong++;
		}
	}
	ok(wrong == 0, "%s: %s with just the %zu values listed here", set->name, lists[l].name, n);
}

/* Numbers that some argument somewhere is compared with, and neighbours. */
static const uint64_t values[] = {
	0, 1, 2, 3, 5, 6, 10, 15, 16, 17, 38, 262, 0x40, 0x400, 0xc00, 0x1002, 0x1180, 04755,
	0x2180, 0x5401, 0x5412, 0x400040, 0x2000000, 0x10000000, 0x7e020000, 0xffffffff,
	UPPER(0), UPPER(1), UPPER(0x5412),
};

typedef bool check_fn(const struct filter_set *set, const struct seccomp_data *data);

/* Tries each call with all triples of values in its first arguments, if those matter. */
static unsigned sweep(const struct filter_set *set, check_fn *check)
{
	const size_t triples = COUNT(values) * COUNT(values) * COUNT(values);
	unsigned wrong = 0;

	for (int nr = 0; nr <= NR_MAX; nr++) {
		bool matters = looks_at_args(notifying(set), (uint32_t)nr)
			       || looks_at_args(plain(set), (uint32_t)nr);

		for (size_t i = 0; i < (matters ? triples : 1); i++) {
			uint64_t a = values[i % COUNT(values)];
			uint64_t b = values[i / COUNT(values) % COUNT(values)];
			uint64_t c = values[i / COUNT(values) / COUNT(values)];
			struct seccomp_data data = {
				.nr = nr, .arch = FILTER_AUDIT_ARCH, .args = { a, b, c, a, b, c },
			};

			wrong += !check(set, &data);
		}
	}
	return wrong;
}

static bool agree(const struct filter_set *set, const struct seccomp_data *data)
{
	uint32_t act = ask(set, data);

	if ((act & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF)
		act = ERR(act & SECCOMP_RET_DATA);
	return run(plain(set), data) == act;
}

static bool ignores_upper(const struct filter_set *set, const struct seccomp_data *data)
{
	struct seccomp_data other = *data;

	for (size_t i = 0; i < COUNT(other.args); i++)
		other.args[i] ^= 0xffffffff00000000ULL;
	return run(plain(set), data) == run(plain(set), &other);
}

static bool within_base(const struct filter_set *set, const struct seccomp_data *data)
{
	return run(plain(set), data) != ALLOW || run(plain(&filter_sets[0]), data) == ALLOW;
}

static void test_sweeps(const struct filter_set *set)
{
	ok(sweep(set, agree) == 0, "%s: both programs agree, but for the telling", set->name);
	ok(sweep(set, ignores_upper) == 0, "%s: upper halves of arguments change nothing",
	   set->name);
	if (set_bit(set) == STRICT)
		ok(sweep(set, within_base) == 0, "%s: allows nothing that base refuses", set->name);
}

static void test_foreign(const struct filter_set *set)
{
	static const uint32_t arches[] = {
		AUDIT_ARCH_I386, AUDIT_ARCH_ARM, AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64, 0,
		UINT32_MAX, FILTER_AUDIT_ARCH - 1, FILTER_AUDIT_ARCH + 1,
	};
	unsigned wrong = 0;

	for (size_t i = 0; i < COUNT(arches); i++) {
		for (int nr = 0; nr <= NR_MAX && arches[i] != FILTER_AUDIT_ARCH; nr++) {
			struct seccomp_data data = { .nr = nr, .arch = arches[i] };

			wrong += run(plain(set), &data) != KILL;
			wrong += run(notifying(set), &data) != KILL;
		}
	}
	ok(wrong == 0, "%s: calls of other architectures kill", set->name);
}

static void test_hashes(const struct filter_set *set)
{
	static const char hex[] = "0123456789abcdef";

	ok(strlen(set->plain_sha256) == 64 && strspn(set->plain_sha256, hex) == 64
	   && strlen(set->notify_sha256) == 64 && strspn(set->notify_sha256, hex) == 64
	   && strcmp(set->plain_sha256, set->notify_sha256) != 0,
	   "%s: each program has a hash of its own", set->name);
}

/* ---- The kernel itself, where the filters are for this machine ---- */

#if defined(__x86_64__) && !defined(FILTER_ARCH_AARCH64) \
	|| defined(__aarch64__) && defined(FILTER_ARCH_AARCH64)
enum { GOOD, CANNOT_LOAD, NOT_REFUSED, NOT_ALLOWED };

__attribute__((noreturn))
static void try_it(struct prog p)
{
	struct sock_fprog fprog = { (unsigned short)p.n, (struct sock_filter *)p.insns };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
	    || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &fprog) < 0)
		_exit(CANNOT_LOAD);
	/* Without a listener the kernel answers ENOSYS to what would be told. */
	if (syscall(NR(unshare), 0) != -1 || (errno != EPERM && errno != ENOSYS))
		_exit(NOT_REFUSED);
	if (syscall(NR(clone3), NULL, 0) != -1 || errno != ENOSYS)
		_exit(NOT_REFUSED);
	if (syscall(NR(getpid)) <= 0 || prctl(PR_SET_NAME, "filtered") < 0)
		_exit(NOT_ALLOWED);
	_exit(GOOD);
}

static void test_kernel(const struct filter_set *set, struct prog p, const char *kind)
{
	static const char *const said[] = {
		"", "does not load", "does not refuse what it should", "refuses what it should not",
	};
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		try_it(p);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status)) {
		ok(false, "%s, %s: the kernel takes it", set->name, kind);
		return;
	}
	ok(WEXITSTATUS(status) == GOOD, "%s, %s: the kernel takes it", set->name, kind);
	if (WEXITSTATUS(status) != GOOD && WEXITSTATUS(status) < (int)COUNT(said))
		printf("# it %s\n", said[WEXITSTATUS(status)]);
}
#else
static void test_kernel(const struct filter_set *set, struct prog p, const char *kind)
{
	(void)p;
	ok(true, "%s, %s: the kernel takes it # SKIP filters of another architecture", set->name,
	   kind);
}
#endif

static void test_set(const struct filter_set *set)
{
	test_shape(set, notifying(set), "telling");
	test_shape(set, plain(set), "plain");
	test_reached(set);
	test_told(set);
	test_foreign(set);
	test_hashes(set);
	test_cases(set);
	for (size_t l = 0; l < COUNT(lists); l++)
		test_list(set, l);
	test_sweeps(set);
	(void)fflush(stdout);		/* or a child could print it again */
	test_kernel(set, notifying(set), "telling");
	(void)fflush(stdout);
	test_kernel(set, plain(set), "plain");
}

int main(void)
{
	unsigned all = 0;

	for (size_t i = 0; i < FILTER_SETS_N; i++) {
		all |= set_bit(&filter_sets[i]);
		test_set(&filter_sets[i]);
	}
	ok(all == ALL && FILTER_SETS_N == 3 && set_bit(&filter_sets[0]) == BASE,
	   "the profiles are base, strict and chromium");
	ok(filter_sets[0].calls <= 216, "base lets through no more than 216 calls");
	printf("1..%u\n", tests);
	return failures > 0;
}
