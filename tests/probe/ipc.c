// SPDX-License-Identifier: Apache-2.0
/* Objects that live beyond a process: System V, message queues, keys, sockets with names. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define OFF "ENOSYS|EPERM|EACCES"

static int run_shmget(struct attempt *t)
{
	int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);

	(void)t;
	if (id < 0)
		return errno;
	(void)shmctl(id, IPC_RMID, NULL);
	return 0;
}

static int run_msgget(struct attempt *t)
{
	int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

	(void)t;
	if (id < 0)
		return errno;
	(void)msgctl(id, IPC_RMID, NULL);
	return 0;
}

static int run_semget(struct attempt *t)
{
	int id = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);

	(void)t;
	if (id < 0)
		return errno;
	(void)semctl(id, 0, IPC_RMID);
	return 0;
}

static int run_mq(struct attempt *t)
{
	char name[64];

	(void)t;
	(void)snprintf(name, sizeof(name), "/sbx-probe-%d", (int)getpid());
	mqd_t q = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, NULL);
	if (q == (mqd_t)-1)
		return errno;
	(void)mq_unlink(name);
	return 0;
}

/* Segments of others: the table lists all of the namespace, whoever may attach them. */
static int run_sysv_table(struct attempt *t)
{
	char text[4096];

	if (slurp(t->probe->path, text, sizeof(text)) < 0)
		return errno;
	const char *line = strchr(text, '\n');
	return line && line[1] ? 0 : NOTHING;
}

static int connect_to(const char *path, bool is_abstract)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return errno;
	memcpy(un.sun_path + is_abstract, path, len);
	int r = answer(connect(fd, (struct sockaddr *)&un,
			       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len +
					   (is_abstract ? 1U : 0U))));
	(void)close(fd);
	return r;
}

static int run_abstract(struct attempt *t)
{
	(void)t;
	return connect_to(BAIT_SOCKET, true);
}

static int run_named(struct attempt *t)
{
	return connect_to(t->probe->path, false);
}

/* Any socket with a name that begins with mark: the host's, for we make none. */
static int run_unix_table(struct attempt *t)
{
	static char text[65536];

	if (slurp("/proc/net/unix", text, sizeof(text)) < 0)
		return errno;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		const char *name = strrchr(line, ' ');
		if (name && name[1] == t->probe->path[0])
			return 0;
	}
	return NOTHING;
}

static int run_add_key(struct attempt *t)
{
	(void)t;
	long key = syscall(SYS_add_key, "user", "sbx-probe", "x", 1UL,
			   (long)KEY_SPEC_PROCESS_KEYRING);
	return answer(key);
}

#define NAMED(label, file)                                                                         \
	{ label, "S0-32", "ENOENT|EACCES|EPERM|EAFNOSUPPORT", NEEDS_ROOT,                          \
	  "a service of the host, where there is one", .run = run_named, .path = file }
#define KEYCTL(label, op, arg, want, twin, why)                                                    \
	{ label, NULL, want, twin, why, .run = run_call, .nr = SYS_keyctl, .a = { op, arg } }

static const struct probe probes[] = {
	{ "ipc-shmget", NULL, OFF, DONE, "shared memory", .run = run_shmget },
	{ "ipc-msgget", NULL, OFF, DONE, "a message queue", .run = run_msgget },
	{ "ipc-semget", NULL, OFF, DONE, "semaphores", .run = run_semget },
	{ "ipc-mq-open", NULL, OFF, DONE, "a named queue", .run = run_mq },
	{ "ipc-shm-table", NULL, "nothing|ENOENT|EACCES", NEEDS_ROOT,
	  "shared memory of others, where there is any", .run = run_sysv_table,
	  .path = "/proc/sysvipc/shm" },
	{ "unix-abstract", "S0-32", "ECONNREFUSED|EPERM|EACCES|EAFNOSUPPORT", DONE,
	  "an abstract socket of the host", .run = run_abstract },
	{ "unix-abstract-table", "S0-32", "nothing|ENOENT|EACCES", DONE,
	  "abstract sockets of the host", .run = run_unix_table, .path = "@" },
	{ "unix-named-table", "S0-32", "nothing|ENOENT|EACCES", NEEDS_ROOT,
	  "named sockets of the host, where there are any", .run = run_unix_table, .path = "/" },
	NAMED("unix-docker", "/var/run/docker.sock"),
	NAMED("unix-podman", "/run/podman/podman.sock"),
	NAMED("unix-containerd", "/run/containerd/containerd.sock"),
	NAMED("unix-dbus", "/run/dbus/system_bus_socket"),
	NAMED("unix-systemd", "/run/systemd/private"),
	NAMED("unix-journal", "/run/systemd/journal/stdout"),
	NAMED("unix-x11", "/tmp/.X11-unix/X0"),
	KEYCTL("keyctl-session", KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, OFF, DONE,
	       "the session keyring"),
	KEYCTL("keyctl-user", KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, OFF, DONE,
	       "the keyring of all processes of the user"),
	KEYCTL("keyctl-join", KEYCTL_JOIN_SESSION_KEYRING, 0, OFF, DONE, "a new session keyring"),
	KEYCTL("keyctl-persistent", KEYCTL_GET_PERSISTENT, -1, OFF, DIFFERS,
	       "the keyring that outlives the session"),
	{ "keyctl-add-key", NULL, OFF, DONE, "a key", .run = run_add_key },
	{ "keyctl-request-key", NULL, OFF, DIFFERS, "a key, by asking for it", .run = run_call,
	  .nr = SYS_request_key, .a = { (long)"user", (long)"sbx-probe-none", 0, 0 } },
};

GROUP(group_ipc, "ipc", "S0-35", probes);
