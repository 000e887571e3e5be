// SPDX-License-Identifier: Apache-2.0
/*
 * Process 1 of the jail, from clone to its own exec. The way in is a list; the job's part of it is
 * below the fork, so that process 1 keeps room to clean up.
 */
#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct stage {
	const char *name;
	int (*enter)(struct jail *jail, struct err *err);
};

static int keyring_enter(struct jail *jail, struct err *err)
{
	(void)err;
	/* a kernel or container without keyrings has none to leak */
	jail->keyring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0) >= 0;
	return 0;
}

/*
 * With nsdelegate, as systemd mounts it, nobody is born into a cgroup that their cgroup namespace does
 * not show. So the job gets its own when it is in its leaf, and process 1 when the job is born.
 */
static int cgroup_enter(struct jail *jail, struct err *err)
{
	if (!jail->spec->cgroup)
		return 0; /* it came with the clone */
	return unshare(CLONE_NEWCGROUP) < 0 ?
		       err_sys(err, ERR_ISOLATION, "make a cgroup namespace") :
		       0;
}

static const struct stage build_stages[] = {
	{ "idmap", idmap_enter }, /* first: until then we are nobody */
	{ "keyring", keyring_enter }, /* before anything of ours could land in the caller's */
	{ "network", network_enter }, /* needs the capabilities that idmap gave */
	{ "rootfs", rootfs_enter }, /* last: what follows is the job's */
};

static const struct stage job_stages[] = {
	{ "cgroup", cgroup_enter }, /* first: needs the capabilities that caps drops */
	{ "limits", limits_enter }, /* raising one to the profile's needs CAP_SYS_RESOURCE */
	{ "caps", caps_enter }, /* from this line on nothing can be mounted */
	{ "landlock", landlock_enter }, /* needs no_new_privs, which caps has set */
	{ "filter", filter_enter }, /* last: it forbids calls made above */
	{ "proof", proof_enter }, /* looks at what the lines above have left */
};

static void fail(struct jail *jail, const char *stage, const struct err *err)
	__attribute__((noreturn));
static void fail(struct jail *jail, const char *stage, const struct err *err)
{
	struct note note = { .type = NOTE_FAIL, .err = *err };

	(void)snprintf(note.stage, sizeof(note.stage), "%s", stage);
	(void)note_send(jail->note, &note, NULL, 0);
	_exit(125);
}

static void pass(struct jail *jail, const struct stage *stages, size_t count)
{
	struct err err = { 0 };
	size_t i;

	for (i = 0; i < count; i++)
		if (stages[i].enter(jail, &err) < 0)
			fail(jail, stages[i].name, &err);
}

/* Runs the compiler as a child of the job: under the same stages, with a clock of its own. */
static void compile(struct jail *jail)
{
	const struct spec *spec = jail->spec;
	struct timespec limit = { spec->compile_wall_ms / 1000,
				  (spec->compile_wall_ms % 1000) * 1000000 };
	struct note note = { .type = NOTE_COMPILED };
	struct timespec begin, end;
	sigset_t child;
	pid_t pid;
	int status = 0;

	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &child, NULL);
	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	pid = fork();
	if (pid == 0) {
		(void)sigprocmask(SIG_UNBLOCK, &child, NULL);
		(void)setpgid(0, 0);
		(void)dup2(2, 1); /* what a compiler says is no output of the program */
		(void)execve(spec->compile[0], spec->compile, spec->env);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, WNOHANG) == 0)
		if (sigtimedwait(&child, NULL, &limit) < 0 && errno == EAGAIN) {
			(void)kill(-pid, SIGKILL);
			(void)waitpid(pid, &status, 0);
			break;
		}
	(void)sigprocmask(SIG_UNBLOCK, &child, NULL);
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	note.value = (end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000;
	(void)note_send(jail->note, &note, NULL, 0);
	if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	note.type = NOTE_NO_COMPILE;
	note.value = pid > 0 ? status : W_EXITCODE(127, 0);
	(void)note_send(jail->note, &note, NULL, 0);
	_exit(1);
}

void job_run(struct jail *jail)
{
	const struct spec *spec = jail->spec;
	struct err err = { 0 };
	char byte;
	ssize_t n;

	(void)setsid();
	(void)prctl(PR_SET_DUMPABLE, 0); /* until the exec: our memory is not the command's */
	pass(jail, job_stages, sizeof(job_stages) / sizeof(job_stages[0]));
	do
		n = read(jail->go, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(125); /* process 1 is gone, and we with it */
	if (chdir("/mnt/data") < 0) {
		(void)err_sys(&err, ERR_ISOLATION, "enter the workspace");
		fail(jail, "exec", &err);
	}
	(void)signal(SIGPIPE, SIG_DFL);
	if (spec->compile)
		compile(jail);
	(void)execve(spec->argv[0], spec->argv, spec->env);
	(void)err_sys(&err,
		      errno == ENOENT || errno == EACCES || errno == ENOTDIR ? ERR_RUNTIME :
									       ERR_INTERNAL,
		      "execute '%s'", spec->argv[0]);
	fail(jail, "exec", &err);
}

static pid_t fork_job(const struct spec *spec)
{
	struct clone_args args = { .exit_signal = SIGCHLD };

	if (!spec->cgroup)
		return fork();
	args.flags = CLONE_INTO_CGROUP;
	args.cgroup = SPEC_FD_CGROUP;
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* A fresh exec: no memory, no environment, no descriptor of before but these four. */
static void exec_init(struct jail *jail, int go_write)
{
	static char name[] = "sbx-init";
	static char *const argv[] = { name, NULL }, *const env[] = { NULL };
	int from[] = { jail->note, go_write, jail->upper, SPEC_FD_HARVEST };
	static const int to[] = { INIT_FD_NOTE, INIT_FD_GO, INIT_FD_UPPER, INIT_FD_HARVEST };
	size_t i;

	/* first out of the way of the numbers, then into place; dup2 clears close-on-exec */
	for (i = 0; i < 4; i++)
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 64);
	int self = fcntl(jail->self, F_DUPFD_CLOEXEC, 64);
	for (i = 0; i < 4; i++)
		if (dup2(from[i], to[i]) < 0)
			return;
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)syscall(SYS_execveat, self, "", argv, env, AT_EMPTY_PATH);
}

void enter_process1(struct jail *jail)
{
	struct err err = { 0 };
	int go[2];
	pid_t pid;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)umask(022);
	pass(jail, build_stages, sizeof(build_stages) / sizeof(build_stages[0]));
	if (pipe2(go, O_CLOEXEC) < 0) {
		(void)err_sys(&err, ERR_INTERNAL, "make a pipe");
		fail(jail, "fork", &err);
	}
	pid = fork_job(jail->spec);
	if (pid == 0) {
		(void)close(go[1]);
		jail->go = go[0];
		job_run(jail);
	}
	if (pid < 0) {
		(void)err_sys(&err, ERR_ISOLATION, "start the job%s",
			      jail->spec->cgroup ? " in its cgroup" : "");
		fail(jail, "fork", &err);
	}
	if (cgroup_enter(jail, &err) < 0)
		fail(jail, "cgroup", &err);
	exec_init(jail, go[1]);
	(void)err_sys(&err, ERR_INTERNAL, "execute process 1");
	fail(jail, "init", &err);
}
