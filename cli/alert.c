// SPDX-License-Identifier: Apache-2.0
#include "alert.h"

#include "cleanup.h"
#include "config.h"
#include "io.h"
#include "json.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* When the last one went out and how many did not since: a line of a file, under its lock. */
static bool is_due(int state, const char *what, int64_t *ret_suppressed)
{
	char name[64], text[64] = "";
	long long last = 0, held = 0;
	int64_t now = text_now_ms();
	bool due;
	int n;

	*ret_suppressed = 0;
	(void)snprintf(name, sizeof(name), "alert.%.40s", what);
	AUTO_FD int fd = io_open(state, name, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return true; /* rather one too many */
	if (pread(fd, text, sizeof(text) - 1, 0) > 0 &&
	    sscanf(text, "%lld %lld", &last, &held) != 2)
		last = held = 0;
	due = now - last >= ALERT_PAUSE_MS || now < last;
	*ret_suppressed = held;
	n = snprintf(text, sizeof(text), "%lld %lld\n", due ? (long long)now : last,
		     due ? 0 : held + 1);
	if (pwrite(fd, text, (size_t)n, 0) == n)
		(void)ftruncate(fd, n);
	return due;
}

static int document(const char *what, const char *message, int64_t suppressed)
{
	struct utsname host = { .nodename = "" };
	char when[32];
	int fd = memfd_create("alert", MFD_CLOEXEC);

	(void)uname(&host);
	AUTO_JSON json_t *doc = json_pack("{s:i,s:s,s:o,s:s,s:o,s:I}", "v", 1, "alert", what,
					  "message", json_text(message, strlen(message)), "time",
					  text_time(text_now_ms(), when), "host",
					  json_text(host.nodename, strlen(host.nodename)),
					  "suppressed", (json_int_t)suppressed);
	AUTO_FREE char *text = doc ? json_dumps(doc, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	if (fd >= 0 && text && io_write_all(fd, text, strlen(text)) == 0 &&
	    io_write_all(fd, "\n", 1) == 0 && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

/* Everything that the hook could disturb is left behind: descriptors with our locks, terminal, signals. */
static void leave(int in)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	(void)setsid();
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGCHLD, SIG_DFL);
	if (null < 0 || dup2(in, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
	    close_range(3, ~0U, 0) < 0 || chdir("/") < 0)
		_exit(127);
}

/* The process that outlives us: it waits for the command, and ends it with all it started. */
_Noreturn static void watch(char *const *argv, int in)
{
	static char *const envp[] = {
		(char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL
	};
	const struct timespec pause = { .tv_nsec = 20000000 };
	int64_t end = io_now_ms() + ALERT_MS;
	pid_t pid;

	leave(in);
	pid = fork();
	if (pid == 0) {
		(void)setpgid(0, 0);
		(void)execve(argv[0], argv, envp);
		_exit(127);
	}
	if (pid < 0)
		_exit(127);
	(void)setpgid(pid, pid);
	while (waitpid(pid, NULL, WNOHANG) == 0 && io_now_ms() < end)
		(void)nanosleep(&pause, NULL);
	(void)kill(-pid, SIGKILL);
	_exit(0);
}

static int start(char *const *argv, int in, struct err *err)
{
	pid_t pid = fork();

	/* twice, so that its end is init's to see and not our caller's */
	if (pid == 0) {
		pid_t again = fork();

		if (again == 0)
			watch(argv, in);
		_exit(again < 0);
	}
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	return pid < 0 ? err_sys(err, ERR_INTERNAL, "start the alert command") : 0;
}

int alert_raise(const struct config *config, int state, const char *what, const char *message,
		struct err *err)
{
	char clean[400];
	int64_t suppressed;

	if (!is_due(state, what, &suppressed))
		return 0;
	text_clean(message, clean, sizeof(clean));
	syslog(LOG_ALERT | LOG_USER, "sbx: %s: %s", what, clean);
	if (!config->alert_command || !config->alert_command[0])
		return 0;
	AUTO_FD int in = document(what, message, suppressed);
	return in < 0 ? err_sys(err, ERR_INTERNAL, "describe the alert") :
			start(config->alert_command, in, err);
}
