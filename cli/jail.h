// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_CLI_JAIL_H
#define SBX_CLI_JAIL_H

#include "err.h"
#include "report.h"
#include "sink.h"
#include "spec.h"

struct config;

/* Called for each packet of the harvest; name is len raw bytes; fd is the callee's (or -1). */
typedef int (*harvest_taker)(void *taker, char type, char why, const char *name, size_t len, int fd,
			     struct err *err);

/* One run: what goes in, what comes out. */
struct jail_run {
	const struct spec *spec;
	const char *libexec;
	int input; /* directory with "in" and "dirs" */
	int cgroup, root; /* or -1 */
	int stdin_fd; /* its bytes are fed to the command, or -1: nothing */
	bool stdin_direct; /* the command gets stdin_fd itself: a pipe that the caller made */
	struct sink out, err;
	int64_t output_kill; /* bytes of output that end the run */
	harvest_taker take;
	void *taker;
	pid_t pid; /* of the supervisor, while it runs */
	/* called when the supervisor exists and has not begun: to put it where it belongs; or NULL */
	int (*ready)(struct jail_run *run, void *ready_arg, struct err *err);
	void *ready_arg;
	struct report report;
};

/*
 * Runs it to its end. 0: report and sinks are filled, and report.err is none; -1 with err when no
 * program ran or its results could not be taken. Nothing of the run is alive afterwards.
 */
int jail_run(struct jail_run *run, struct err *err);

#endif
