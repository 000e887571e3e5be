// SPDX-License-Identifier: Apache-2.0
/*
 * Process 1 after its exec: without capability, environment or a descriptor of the command's. It
 * lets the job go on, reaps, ends everything when the job has ended, and then, alone, hands out what
 * changed in the workspace. The command shares its uid and can see it in /proc, but not into it.
 */
#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_child(int signal)
{
	(void)signal; /* only there to interrupt ppoll */
}

static void kill_rest(void)
{
	/* what forks while the signal goes round is refused the fork: one more round finds nothing */
	for (;;) {
		(void)kill(-1, SIGKILL);
		if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD)
			return;
	}
}

/* Waits for the job; reaps whatever else ends. Returns its wait status. */
static int wait_for_job(int *ret_killed)
{
	struct pollfd note = { .fd = INIT_FD_NOTE, .events = POLLIN };
	struct sigaction action = { .sa_handler = on_child };
	sigset_t block, open;

	(void)sigemptyset(&block);
	(void)sigaddset(&block, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &block, &open);
	(void)sigaction(SIGCHLD, &action, NULL);
	for (;;) {
		int status;
		pid_t pid;

		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			if (pid == 2)
				return status;
		if (pid < 0 && errno == ECHILD)
			return W_EXITCODE(125, 0);
		if (ppoll(&note, 1, NULL, &open) > 0 && note.revents) {
			struct note what;
			int count;

			if (note_recv(INIT_FD_NOTE, &what, NULL, 0, &count, 0) <= 0)
				_exit(0); /* the supervisor is gone: the whole namespace goes */
			if (what.type == NOTE_KILL) {
				*ret_killed = 1;
				(void)kill(-1, SIGKILL);
			}
		}
	}
}

int init_main(void)
{
	struct note note = { .type = NOTE_ENDED };
	struct rusage usage = { 0 };
	int fd, status, killed = 0;

	(void)prctl(PR_SET_DUMPABLE, 0); /* before the command exists */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "init");
	for (fd = 0; fd <= 2; fd++)
		(void)close(fd); /* the readers of the output wait for the command alone */
	for (fd = INIT_FD_NOTE; fd <= INIT_FD_HARVEST; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (write(INIT_FD_GO, "g", 1) != 1)
		return 125;
	(void)close(INIT_FD_GO);
	status = wait_for_job(&killed);
	kill_rest();
	note.value = status;
	(void)getrusage(RUSAGE_CHILDREN, &usage);
	note.cpu_us = (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
		      usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
	note.memory_bytes = (int64_t)usage.ru_maxrss * 1024;
	if (note_send(INIT_FD_NOTE, &note, NULL, 0) < 0)
		return 125;
	return harvest_walk(INIT_FD_UPPER, INIT_FD_HARVEST, status, killed) < 0 ? 125 : 0;
}
