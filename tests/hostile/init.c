// SPDX-License-Identifier: Apache-2.0
/*
 * Process 1 of a jail, as if the command had got hold of it: the real one, but where it would hand out the
 * results or tell the supervisor, it does what the file "scenario" in the workspace says. For the tests alone;
 * nothing of it is in sbx-jail.
 */
#include "harvest.h"
#include "../../helper/jail.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

int hostile_walk(int upper, int socket, int wait_status, int is_killed);
int hostile_note(int fd, const struct note *note, const int *fds, int fd_count);
int hostile_poll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask);
#define harvest_walk hostile_walk
#define note_send hostile_note
#define ppoll hostile_poll
#include "../../helper/init.c"
#undef harvest_walk
#undef note_send
#undef ppoll

#include <linux/memfd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { FDS_MAX = 8 };

static char scenario[64];

static bool read_scenario(void)
{
	int fd = openat(INIT_FD_UPPER, "scenario", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, scenario, sizeof(scenario) - 1);

	if (fd >= 0)
		(void)close(fd);
	scenario[n > 0 ? n : 0] = 0;
	scenario[strcspn(scenario, "\n")] = 0;
	return scenario[0] != 0;
}

static bool is(const char *name)
{
	return !strcmp(scenario, name);
}

/* --- packets of the harvest ------------------------------------------------------------------------ */
static int put_fds(int socket, const void *data, size_t len, const int *fds, int count)
{
	union {
		char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	memset(&control, 0, sizeof(control));
	if (count > 0) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)count * sizeof(int));
	}
	return sendmsg(socket, &msg, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int put(int socket, const void *data, size_t len)
{
	return put_fds(socket, data, len, NULL, 0);
}

static int put_status(int socket)
{
	char packet[1 + sizeof(struct harvest_status)] = { HARVEST_STATUS };

	return put(socket, packet, sizeof(packet));
}

static int put_file(int socket, const char *name, int fd)
{
	char packet[2000] = { HARVEST_FILE };
	size_t len = strlen(name);

	memcpy(packet + 1, name, len);
	return put_fds(socket, packet, len + 1, &fd, fd >= 0);
}

static int put_end(int socket)
{
	return put(socket, "E", 1);
}

static int memory_rw(size_t size, unsigned int seals)
{
	int fd = memfd_create("m", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0 && seals)
		(void)fcntl(fd, F_ADD_SEALS, seals);
	return fd;
}

/* The same file, open for reading as results are. */
static int read_only(int fd)
{
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int memory(size_t size, unsigned int seals)
{
	int fd = memory_rw(size, seals), again = read_only(fd);

	(void)close(fd);
	return again;
}

/* A writer beside process 1 changes the size of the file as fast as it can. */
static int restless(bool is_growing)
{
	int fd = memory_rw(is_growing ? 0 : 1 << 20, 0);

	if (fork() == 0) {
		off_t size = 0;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			size = is_growing ? size + (1 << 20) : size ? 0 : 2 << 20;
			if (ftruncate(fd, size) < 0)
				size = 0;
		}
	}
	return read_only(fd);
}

static int of_kind(const char *kind)
{
	int fds[2];

	(void)mknodat(INIT_FD_UPPER, "fifo", S_IFIFO | 0600, 0);
	if (!strcmp(kind, "fifo"))
		return openat(INIT_FD_UPPER, "fifo", O_RDWR | O_NONBLOCK);
	if (!strcmp(kind, "directory"))
		return openat(INIT_FD_UPPER, ".", O_RDONLY | O_DIRECTORY);
	if (!strcmp(kind, "device"))
		return open("/dev/zero", O_RDONLY);
	if (!strcmp(kind, "socket"))
		return socket(AF_UNIX, SOCK_STREAM, 0);
	if (!strcmp(kind, "pipe"))
		return pipe(fds) < 0 ? -1 : fds[0];
	if (!strcmp(kind, "path-only"))
		return openat(INIT_FD_UPPER, "scenario", O_PATH);
	if (!strcmp(kind, "write-only"))
		return openat(INIT_FD_UPPER, "new", O_WRONLY | O_CREAT, 0600);
	if (!strcmp(kind, "proc"))
		return open("/proc/self/status", O_RDONLY);
	if (!strcmp(kind, "host-file"))
		return open("/usr/lib/os-release", O_RDONLY);
	if (!strcmp(kind, "memfd"))
		return memory(100, 0);
	if (!strcmp(kind, "read-write"))
		return memory_rw(100, 0);
	if (!strcmp(kind, "sealed"))
		return memory(100, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	if (!strcmp(kind, "huge"))
		return memory(1UL << 40, 0);
	if (!strcmp(kind, "growing"))
		return restless(true);
	if (!strcmp(kind, "shrinking"))
		return restless(false);
	return -1;
}

static const char *const kinds[] = { "fifo", "directory", "device", "socket", "pipe", "path-only", "write-only", "proc",
				     "host-file", "read-write", "memfd", "sealed", "huge", "growing", "shrinking" };

static int walk_kind(int socket, const char *kind)
{
	if (put_status(socket) < 0 || put_file(socket, "kind.txt", of_kind(kind)) < 0)
		return -1;
	return put_end(socket);
}

static void flood(int socket, char type)
{
	char packet[16] = { type, 't', 'x' };

	while (put(socket, packet, 3) == 0)
		;
}

static int64_t random_below(uint64_t *state, int64_t n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (int64_t)(*state >> 1) % n;
}

/* Anything at all, the same for the same number. */
static void fuzz(int socket, uint64_t seed)
{
	static const char types[] = "FDOSXE", *const names[] = { "", "a.txt", "a.txt", "d/e", "../x", "/etc/passwd", "d/../../x",
		".", "..", "a//b", "\xff\xfe", "x\ny", "\033[31m", "input.txt", "scenario", ".sbx", "a/" };
	uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
	int64_t i, j, count = random_below(&state, 200);

	if (random_below(&state, 8))
		(void)put_status(socket);
	for (i = 0; i < count; i++) {
		char packet[2048];
		int fds[FDS_MAX], fd_count = 0;
		const char *name = names[random_below(&state, sizeof(names) / sizeof(names[0]))];
		size_t len = strlen(name) + 1;
		int64_t way = random_below(&state, 16);

		packet[0] = types[random_below(&state, way < 12 ? 2 : 6)];
		memcpy(packet + 1, name, len - 1);
		if (way == 13) {
			len = (size_t)random_below(&state, sizeof(packet));
			for (j = 0; j < (int64_t)len; j++)
				packet[j] = (char)random_below(&state, 256);
		} else if (way == 14) {
			len += (size_t)random_below(&state, 1100);
			memset(packet + strlen(name) + 1, 'n', len - strlen(name) - 1);
		}
		if (packet[0] == HARVEST_FILE || way == 15)
			fd_count = way == 15 ? (int)random_below(&state, FDS_MAX) : 1;
		for (j = 0; j < fd_count; j++) {
			fds[j] = of_kind(kinds[random_below(&state, sizeof(kinds) / sizeof(kinds[0]))]);
			if (fds[j] < 0)
				fds[j] = socket;
		}
		if (put_fds(socket, packet, len, fds, fd_count) < 0)
			return;
		for (j = 0; j < fd_count; j++)
			if (fds[j] != socket)
				(void)close(fds[j]);
	}
	if (random_below(&state, 2))
		(void)put_end(socket);
}

static int walk(int upper, int socket, int wait_status, int is_killed)
{
	char packet[4096] = { HARVEST_FILE };
	int fds[2] = { memory(10, 0), socket };
	size_t i;

	if (is("honest"))
		return harvest_walk(upper, socket, wait_status, is_killed);
	if (!strncmp(scenario, "fuzz ", 5)) {
		fuzz(socket, strtoull(scenario + 5, NULL, 10));
		return 0;
	}
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (is(kinds[i]))
			return walk_kind(socket, kinds[i]);
	if (is("silent")) {
		for (;;)
			(void)pause();
	}
	if (is("end-at-once"))
		return put_end(socket);
	if (is("nothing"))
		return 0;
	if (is("no-status"))
		return put_file(socket, "a.txt", fds[0]);
	if (is("empty-packet"))
		return put(socket, "", 0);
	if (put_status(socket) < 0)
		return -1;
	if (is("status-twice"))
		(void)put_status(socket);
	else if (is("status-short"))
		(void)put(socket, "Xabc", 4);
	else if (is("no-end"))
		return put_file(socket, "a.txt", fds[0]);
	else if (is("long-end"))
		(void)put(socket, "End", 3);
	else if (is("more-after-end")) {
		(void)put_end(socket);
		flood(socket, HARVEST_GONE);
	} else if (is("no-descriptor"))
		(void)put_file(socket, "a.txt", -1);
	else if (is("two-descriptors"))
		(void)put_fds(socket, "Fa.txt", 6, fds, 2);	/* the second is the far end of the socket itself */
	else if (is("own-end"))
		(void)put_fds(socket, "Sta.txt", 7, fds + 1, 1);
	else if (is("unknown-type"))
		(void)put(socket, "?a.txt", 6);
	else if (is("nul-in-name"))
		(void)put_fds(socket, "Fa\0b", 4, fds, 1);
	else if (is("too-long"))
		(void)put_fds(socket, memset(packet + 1, 'n', sizeof(packet) - 1) ? packet : NULL, sizeof(packet), fds, 1);
	else if (is("name-twice")) {
		(void)put_file(socket, "a.txt", fds[0]);
		(void)put_file(socket, "a.txt", fds[0]);
	} else if (is("bad-names")) {
		static const char *const names[] = { "../a", "/a", "a/../../b", "a//b", "./a", "a/.", "..", ".", "" };

		for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			(void)put_file(socket, names[i], fds[0]);
	} else if (is("flood"))
		flood(socket, HARVEST_SKIP);
	else if (is("many-files"))
		for (i = 0; i < 50000; i++) {
			(void)snprintf(packet, sizeof(packet), "f%zu", i);
			if (put_file(socket, packet, fds[0]) < 0)
				break;
		}
	return put_end(socket);
}

int hostile_walk(int upper, int socket, int wait_status, int is_killed)
{
	if (!scenario[0] && !read_scenario())
		return harvest_walk(upper, socket, wait_status, is_killed);
	return walk(upper, socket, wait_status, is_killed);
}

/* --- notes to the supervisor ----------------------------------------------------------------------- */
static void tell(enum note_type type, int64_t value, const int *fds, int count)
{
	struct note note = { .type = type, .value = value };

	(void)note_send(INIT_FD_NOTE, &note, fds, count);
}

/* While the command runs: what it wants to be told in its name. */
static void tell_lies(void)
{
	struct note note = { .type = NOTE_FAIL };
	int fds[2], i;

	if (is("note-eyes")) {	/* a directory with a FIFO where the times of a process would be */
		(void)mkdirat(INIT_FD_UPPER, "proc", 0700);
		(void)mkdirat(INIT_FD_UPPER, "proc/7", 0700);
		(void)mknodat(INIT_FD_UPPER, "proc/7/status", S_IFIFO | 0600, 0);
		(void)mknodat(INIT_FD_UPPER, "proc/7/stat", S_IFIFO | 0600, 0);
		fds[0] = openat(INIT_FD_UPPER, "proc", O_RDONLY | O_DIRECTORY);
		fds[1] = INIT_FD_UPPER;
		tell(NOTE_EYES, 0, fds, 2);
	} else if (is("note-listener")) {
		fds[0] = openat(INIT_FD_UPPER, "scenario", O_RDONLY);
		tell(NOTE_LISTENER, 0, fds, 1);
	} else if (is("note-compiled")) {
		tell(NOTE_COMPILED, INT64_MAX, NULL, 0);
		tell(NOTE_COMPILED, -INT64_MAX, NULL, 0);
	} else if (is("note-proof")) {
		tell(NOTE_PROOF, 0, NULL, 0);
	} else if (is("note-ended")) {	/* and the command goes on */
		tell(NOTE_ENDED, 0, NULL, 0);
	} else if (is("note-fail")) {
		memset(&note.err, 'x', sizeof(note.err));
		memset(note.stage, 'x', sizeof(note.stage));
		(void)note_send(INIT_FD_NOTE, &note, NULL, 0);
	} else if (is("note-short")) {
		(void)put(INIT_FD_NOTE, "abc", 3);
	} else if (is("note-descriptors")) {
		for (i = 0; i < 2000; i++)
			tell(NOTE_KILL, 0, (int[]){ 0, 0, 0, 0 }, 0);
		for (i = 0; i < 2000; i++) {
			fds[0] = fds[1] = INIT_FD_UPPER;
			tell(NOTE_EYES, 0, fds, 2);
		}
	} else if (is("note-flood")) {
		for (;;)
			tell(NOTE_KILL, 0, NULL, 0);
	}
}

int hostile_poll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	const struct timespec soon = { 0, 10000000 };

	(void)timeout;
	if (!scenario[0] && read_scenario())
		tell_lies();
	return ppoll(fds, n, &soon, mask);
}

int hostile_note(int fd, const struct note *note, const int *fds, int fd_count)
{
	if (!scenario[0])
		(void)read_scenario();
	if (is("ended-again")) {	/* as if it had only just ended, for ever */
		for (;;) {
			const struct timespec soon = { 0, 50000000 };

			if (note_send(fd, note, fds, fd_count) < 0)
				_exit(1);
			(void)nanosleep(&soon, NULL);
		}
	}
	if (is("never-ended"))
		for (;;)
			(void)pause();
	return note_send(fd, note, fds, fd_count);
}
