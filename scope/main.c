// SPDX-License-Identifier: Apache-2.0
/*
 * sbx-scope PID UNIT [SLICE [system]]: has the user's service manager make a transient scope with a
 * delegated cgroup around PID, waits until it is there and prints the cgroup's path. It is a program
 * of its own so that sbx needs no D-Bus: it is started only where no delegated cgroup is at hand.
 * With "system" the system's manager is asked too, which an administrator has to have allowed.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#define MANAGER "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER_FACE "org.freedesktop.systemd1.Manager"

enum { WAIT_US = 8000000 };

struct job {
	char *path; /* of the D-Bus object; NULL until the manager has answered */
	char result[64]; /* "done" when the scope is there */
};

static int say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)putchar('\n');
	return -1;
}

static uint64_t now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int on_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct job *job = userdata;
	const char *path, *unit, *result;
	uint32_t id;

	(void)error;
	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0)
		return 0; /* not for us */
	if (job->path && !strcmp(path, job->path))
		(void)snprintf(job->result, sizeof(job->result), "%s", result);
	return 0;
}

/* The manager's own socket first: it needs no message bus and is twice as fast as one. */
static int open_user(sd_bus **ret)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	char path[PATH_MAX], address[PATH_MAX + 32];
	sd_bus *bus = NULL;

	if (!dir || *dir != '/') {
		(void)snprintf(path, sizeof(path), "/run/user/%u", (unsigned int)geteuid());
		(void)setenv("XDG_RUNTIME_DIR", path, 1);
		dir = getenv("XDG_RUNTIME_DIR");
	}
	(void)snprintf(address, sizeof(address), "unix:path=%s/systemd/private", dir ? dir : "");
	if (sd_bus_new(&bus) >= 0 && sd_bus_set_address(bus, address) >= 0 &&
	    sd_bus_start(bus) >= 0) {
		*ret = bus;
		return 0;
	}
	sd_bus_unref(bus);
	return sd_bus_open_user(ret);
}

static int ask(sd_bus *bus, uint32_t pid, const char *unit, const char *slice, char **ret_path)
{
	sd_bus_message *m = NULL, *reply = NULL;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	const char *path;
	int r = sd_bus_message_new_method_call(bus, &m, MANAGER, MANAGER_PATH, MANAGER_FACE,
					       "StartTransientUnit");

	if (r >= 0)
		r = sd_bus_message_append(m, "ss", unit, "fail");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(sv)");
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)", "Description", "s", "a run of sbx",
					  "Delegate", "b", 1, "PIDs", "au", 1, pid, "CollectMode",
					  "s", "inactive-or-failed");
	if (r >= 0 && slice && *slice)
		r = sd_bus_message_append(m, "(sv)", "Slice", "s", slice);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	if (r >= 0)
		r = sd_bus_message_append(m, "a(sa(sv))", 0);
	if (r >= 0)
		r = sd_bus_call(bus, m, WAIT_US, &error, &reply);
	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &path);
	if (r >= 0 && !(*ret_path = strdup(path)))
		r = -ENOMEM;
	if (r < 0)
		(void)say("%s", error.message ? error.message : strerror(-r));
	sd_bus_error_free(&error);
	sd_bus_message_unref(reply);
	sd_bus_message_unref(m);
	return r < 0 ? -1 : 0;
}

static int await(sd_bus *bus, const struct job *job)
{
	uint64_t until = now_us() + WAIT_US, now;
	int r = 1;

	while (!job->result[0]) {
		r = sd_bus_process(bus, NULL);
		if (r < 0)
			return say("%s", strerror(-r));
		now = now_us();
		if (now >= until)
			return say("the service manager did not make the scope in time");
		if (r == 0 && sd_bus_wait(bus, until - now) < 0)
			return say("the connection to the service manager broke");
	}
	return strcmp(job->result, "done") ?
		       say("the service manager could not make the scope: %s", job->result) :
		       0;
}

static int print_path(uint32_t pid)
{
	char name[64], line[PATH_MAX + 256];
	FILE *f;

	(void)snprintf(name, sizeof(name), "/proc/%u/cgroup", pid);
	f = fopen(name, "re");
	if (!f)
		return say("process %u is gone", pid);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "0::", 3)) {
			(void)fclose(f);
			line[strcspn(line, "\n")] = 0;
			(void)say("%s", line + 3);
			return 0;
		}
	(void)fclose(f);
	return say("process %u is in no cgroup of version 2", pid);
}

static int make_scope(sd_bus *bus, uint32_t pid, const char *unit, const char *slice)
{
	struct job job = { 0 };
	int done = -1;

	/* before the question, so that no answer is missed; signals wait in the queue until await() */
	if (sd_bus_match_signal_async(bus, NULL, MANAGER, MANAGER_PATH, MANAGER_FACE, "JobRemoved",
				      on_removed, NULL, &job) < 0)
		return say("cannot listen to the service manager");
	if (ask(bus, pid, unit, slice, &job.path) == 0 && await(bus, &job) == 0)
		done = print_path(pid);
	free(job.path);
	return done;
}

int main(int argc, char **argv)
{
	char *end = NULL;
	unsigned long pid = argc > 2 ? strtoul(argv[1], &end, 10) : 0;
	sd_bus *bus = NULL;
	int r, done;

	if (argc == 2 && !strcmp(argv[1], "--version")) {
		(void)puts("sbx-scope " SBX_VERSION);
		return 0;
	}
	if (argc < 3 || argc > 5 || !end || *end || pid < 2 || pid > INT32_MAX) {
		(void)fputs("sbx-scope: is started by sbx, see sbx(1)\n", stderr);
		return 2;
	}
	r = open_user(&bus);
	if (r < 0 && argc > 4)
		r = sd_bus_open_system(&bus);
	if (r < 0) {
		(void)say("no service manager answers: %s", strerror(-r));
		return 1;
	}
	done = make_scope(bus, (uint32_t)pid, argv[2], argc > 3 ? argv[3] : NULL);
	(void)fflush(stdout);
	_exit(done < 0 ?
		      1 :
		      0); /* the connection ends with us; an orderly farewell takes a round trip */
}
