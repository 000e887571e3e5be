// SPDX-License-Identifier: Apache-2.0
/*
 * The supervisor runs outside the jail as the caller, without privilege: clones process 1, keeps the
 * clock, sums what the jail uses, answers denied calls, ends the job when a limit is met, and lets
 * process 1 hand out the results. It dies with sbx, and the jail with it.
 */
#include "cleanup.h"
#include "filter_data.h"
#include "io.h"
#include "jail.h"
#include "notify.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

/* with a cgroup its namespace comes later, see cgroup_enter() */
#define NAMESPACES \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)

#ifndef SBX_COLLECT_MS
#define SBX_COLLECT_MS 120000 /* shorter in the tests that wait for it */
#endif
enum {
	LOOK_MS = 20,
	LOOK_BUSY_MS = 5,
	GRACE_MS = 2000,
	BUILD_MS = 20000,
	COLLECT_MS = SBX_COLLECT_MS,
	NOTES_A_TURN = 32
};

struct run {
	const struct spec *spec;
	struct report *report;
	const struct filter_set *filter;
	pid_t init;
	int pidfd, note, listener;
	struct watch watch;
	int64_t begin_us, ready_us, ended_us, compile_us; /* of the monotonic clock */
	int64_t kill_ms, look_ms; /* when the job was ended; when to look next */
	int wait_status;
	bool is_ready, is_ended, is_killed, is_gone;
};

static const char *explain_clone(int sys)
{
	switch (sys) {
	case EPERM:
		return "unprivileged user namespaces are switched off (kernel.unprivileged_userns_clone, "
		       "or a container's seccomp profile); run 'sbx doctor'";
	case ENOSPC:
	case EUSERS:
		return "the limit of namespaces is reached (user.max_user_namespaces); run 'sbx doctor'";
	case EINVAL:
	case ENOSYS:
		return "this kernel lacks a namespace that is needed; run 'sbx doctor'";
	default:
		return "run 'sbx doctor' to see what this host lacks";
	}
}

static int start(struct run *run)
{
	struct jail jail = {
		.spec = run->spec, .outer_uid = geteuid(), .outer_gid = getegid(), .upper = -1
	};
	struct err *err = &run->report->err;
	int pair[2];

	if (fchdir(SPEC_FD_INPUT) < 0)
		return err_sys(err, ERR_INTERNAL, "enter the input directory");
	jail.self = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (jail.self < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, ERR_INTERNAL, "prepare the jail");
	run->init = (pid_t)syscall(SYS_clone,
				   NAMESPACES | CLONE_PIDFD | SIGCHLD |
					   (run->spec->cgroup ? 0 : CLONE_NEWCGROUP),
				   NULL, &run->pidfd, NULL, 0);
	if (run->init == 0) {
		(void)close(pair[0]);
		jail.note = pair[1];
		enter_process1(&jail);
	}
	if (run->init < 0) {
		int sys = errno;

		(void)err_sys(err, ERR_ISOLATION, "make the namespaces");
		return err_hint(err, "%s", explain_clone(sys));
	}
	(void)close(pair[1]);
	(void)close(jail.self);
	run->note = pair[0];
	return 0;
}

/* Ends everything in the jail but process 1, which then hands out the results. */
static void end_job(struct run *run, enum report_end why)
{
	struct note note = { .type = NOTE_KILL };

	if (run->is_killed || run->is_ended)
		return;
	run->is_killed = true;
	run->report->end = why;
	run->kill_ms = io_now_ms();
	if (run->spec->cgroup)
		(void)io_write_file(SPEC_FD_CGROUP, "cgroup.kill",
				    "1"); /* Linux 5.14; the note does it too */
	if (!run->is_ready || note_send(run->note, &note, NULL, 0) < 0)
		(void)kill(run->init, SIGKILL);
}

static void take_end(struct run *run)
{
	struct report *r = run->report;

	run->ended_us = io_now_us();
	run->is_ended = true;
	if (run->is_killed || r->end == REPORT_COMPILE)
		return;
	if (WIFSIGNALED(run->wait_status)) {
		r->end = REPORT_SIGNAL;
		r->code = WTERMSIG(run->wait_status);
	} else {
		r->end = REPORT_EXITED;
		r->code = WEXITSTATUS(run->wait_status);
	}
}

static void take_proof(struct run *run, const struct note *note)
{
	struct report *r = run->report;

	r->landlock_abi = note->proof.landlock_abi;
	r->seccomp_mode = note->proof.seccomp_mode;
	r->no_new_privs = note->proof.no_new_privs;
	r->caps_held = note->proof.caps_held;
	r->groups = note->proof.groups;
	r->overlay = note->proof.overlay;
	r->proc_fresh = note->proof.proc_fresh;
	r->notify = note->proof.notify;
	r->keyring = note->proof.keyring;
	r->limit_nproc = note->proof.nproc;
	r->limit_nofile = note->proof.nofile;
	r->limit_fsize = note->proof.fsize;
	r->limit_cpu = note->proof.cpu;
	r->limit_core = note->proof.core;
	run->ready_us = io_now_us();
	run->is_ready = true;
	run->look_ms = io_now_ms() + LOOK_MS;
}

static int is_root_of(int fd, long magic, ino_t ino)
{
	struct statfs fs;
	struct stat st;

	return fstatfs(fd, &fs) == 0 && fs.f_type == magic && fstat(fd, &st) == 0 &&
	       S_ISDIR(st.st_mode) && (ino == 0 || st.st_ino == ino);
}

/* What is read there is the kernel's only in a /proc itself: elsewhere a FIFO could hold us up. */
static int are_eyes(const struct spec *spec, const int *fds)
{
	return (is_root_of(fds[0], PROC_SUPER_MAGIC, 1) ||
		(!strcmp(spec->proc, "empty") && is_root_of(fds[0], TMPFS_MAGIC, 0))) &&
	       is_root_of(fds[1], TMPFS_MAGIC, 0);
}

/* Watched by nobody, a program would have no limits. */
static void check_eyes(struct run *run)
{
	if (run->watch.proc >= 0)
		return;
	(void)err_set(&run->report->err, ERR_ISOLATION,
		      "the jail cannot be watched: no /proc shows what runs in it");
	(void)err_hint(&run->report->err,
		       "give the outer container an unmasked /proc without hidepid, or delegate "
		       "a cgroup; run 'sbx doctor'");
	(void)kill(run->init, SIGKILL);
}

/* Without a /proc of the jail's own it is watched by ours. */
static void open_eyes(struct run *run, const int *fds)
{
	run->watch.proc = fds[0];
	run->watch.scratch = fds[1];
	if (is_root_of(fds[0], PROC_SUPER_MAGIC, 1))
		return;
	(void)close(fds[0]);
	run->watch.root = run->init;
	run->watch.proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (run->spec->cgroup || watch_look(&run->watch) == 0)
		return;
	if (run->watch.proc >= 0)
		(void)close(run->watch.proc);
	run->watch.proc = -1;
	check_eyes(run);
}

static void take_fail(struct report *r, const struct note *note)
{
	if (r->err.code != ERR_NONE)
		return;
	r->err = note->err;
	if ((int)note->err.code <= ERR_NONE || note->err.code >= ERR_COUNT)
		r->err.code = ERR_INTERNAL;
	(void)snprintf(r->stage, sizeof(r->stage), "%s", note->stage);
}

/*
 * Process 1 and the job are ours until the command begins; from then on only process 1 can speak. Should
 * the command ever have got hold of it, it cannot say anything twice, nor put a clock back.
 */
static int is_in_order(const struct run *run, const struct note *note, int count)
{
	switch (note->type) {
	case NOTE_FAIL:
		return count == 0;
	case NOTE_EYES:
		return count == 2 && !run->is_ready && run->watch.proc < 0;
	case NOTE_LISTENER:
		return count == 1 && !run->is_ready && run->listener < 0;
	case NOTE_PROOF:
		return count == 0 && !run->is_ready;
	case NOTE_COMPILED:
		return count == 0 && run->is_ready && run->spec->compile && !run->compile_us;
	case NOTE_NO_COMPILE:
		return count == 0 && run->is_ready && run->spec->compile;
	case NOTE_ENDED:
		return count == 0;
	default:
		return 0;
	}
}

/* No compiler took longer than the jail is old. */
static int64_t compile_time(const struct run *run, int64_t told)
{
	int64_t most = io_now_us() - run->begin_us;

	return told < 1 ? 1 : told > most ? most : told;
}

static void take_note(struct run *run, const struct note *note, const int *fds, int count)
{
	struct report *r = run->report;

	if (run->is_ended || !is_in_order(run, note, count)) {
		for (; count > 0; count--)
			(void)close(fds[count - 1]);
		return;
	}
	switch (note->type) {
	case NOTE_FAIL:
		take_fail(r, note);
		break;
	case NOTE_EYES:
		if (are_eyes(run->spec, fds)) {
			open_eyes(run, fds);
			return;
		}
		break;
	case NOTE_LISTENER:
		run->listener = fds[0];
		return;
	case NOTE_PROOF:
		take_proof(run, note);
		check_eyes(run);
		break;
	case NOTE_COMPILED:
		run->compile_us = compile_time(run, note->value);
		break;
	case NOTE_NO_COMPILE:
		r->end = REPORT_COMPILE;
		r->code = WIFEXITED((int)note->value) ? WEXITSTATUS((int)note->value) :
							128 + WTERMSIG((int)note->value);
		break;
	case NOTE_ENDED:
		run->wait_status = (int)note->value;
		if (note->cpu_us > r->cpu_us)
			r->cpu_us = note->cpu_us;
		if (note->memory_bytes > r->memory_peak)
			r->memory_peak = note->memory_bytes;
		take_end(run);
		break;
	case NOTE_KILL:
		break;
	}
	for (; count > 0; count--)
		(void)close(fds[count - 1]);
}

/* So many that a flood of them does not stop the clock. */
static void read_notes(struct run *run)
{
	int i;

	for (i = 0; i < NOTES_A_TURN; i++) {
		int fds[4] = { -1, -1, -1, -1 }, count;
		struct note note;

		if (note_recv(run->note, &note, fds, 4, &count, MSG_DONTWAIT) <= 0)
			return;
		take_note(run, &note, fds, count);
	}
}

static void look(struct run *run)
{
	struct report *r = run->report;
	const struct spec *spec = run->spec;
	struct watch *w = &run->watch;
	int64_t left;

	run->look_ms = io_now_ms() + LOOK_MS;
	if (watch_look(w) < 0)
		return;
	if (w->memory_bytes > r->memory_peak)
		r->memory_peak = w->memory_bytes;
	if (w->tasks > r->processes_peak)
		r->processes_peak = w->tasks;
	if (w->cpu_us > r->cpu_us)
		r->cpu_us = w->cpu_us;
	if (w->tasks >= spec->processes)
		r->is_process_refused = 1;
	r->is_scratch_full |= w->is_scratch_full;
	if (!spec->cgroup && w->memory_bytes > spec->memory_bytes) {
		end_job(run, REPORT_MEMORY);
		if (run->is_ended) /* it said so, and something in there still grows */
			(void)kill(run->init, SIGKILL);
	}
	if (w->cpu_us - run->compile_us > spec->cpu_ms * 1000)
		end_job(run, REPORT_CPU);
	/* near a limit the looks come closer together */
	left = (spec->cpu_ms * 1000 - w->cpu_us) / 2000;
	run->look_ms = io_now_ms() + (w->memory_bytes > spec->memory_bytes / 4 || left < LOOK_MS ?
					      LOOK_BUSY_MS :
					      LOOK_MS);
}

static int64_t deadline_ms(const struct run *run)
{
	if (!run->is_ready) /* the program's time has not begun */
		return run->begin_us / 1000 + BUILD_MS;
	return (run->ready_us + run->compile_us) / 1000 + run->spec->wall_ms +
	       (run->spec->compile && !run->compile_us ? run->spec->compile_wall_ms : 0);
}

static int wait_ms(const struct run *run)
{
	int64_t now = io_now_ms(), until;

	if (run->is_ended)
		until = run->ended_us / 1000 + COLLECT_MS;
	else if (run->is_killed)
		until = run->kill_ms + GRACE_MS;
	else
		until = deadline_ms(run);
	if (run->is_ready && !run->is_killed && run->look_ms < until)
		until = run->look_ms;
	return until <= now ? 0 : until - now > 60000 ? 60000 : (int)(until - now);
}

static void on_time(struct run *run)
{
	int64_t now = io_now_ms();

	if (run->is_ended ? now >= run->ended_us / 1000 + COLLECT_MS :
			    run->is_killed && now >= run->kill_ms + GRACE_MS)
		(void)kill(run->init, SIGKILL); /* process 1 does not answer: no results */
	if (run->is_ended && run->is_ready && now >= run->look_ms)
		look(run);
	if (run->is_ended || run->is_killed)
		return;
	if (now >= deadline_ms(run)) {
		if (!run->is_ready && run->report->err.code == ERR_NONE)
			(void)err_set(&run->report->err, ERR_BUSY,
				      "the jail was not ready after %d s: the host is overloaded",
				      BUILD_MS / 1000);
		end_job(run, REPORT_WALL);
	} else if (run->is_ready && now >= run->look_ms)
		look(run);
}

static void on_control(struct run *run)
{
	char why;
	ssize_t n = read(SPEC_FD_CONTROL, &why, 1);

	if (n == 1) {
		end_job(run, why == 'o' ? REPORT_OUTPUT :
			     why == 'm' ? REPORT_MEMORY :
					  REPORT_KILLED);
		return;
	}
	(void)kill(run->init, SIGKILL); /* sbx is gone: nobody takes results */
	end_job(run, REPORT_KILLED);
}

static void turn(struct run *run)
{
	struct pollfd p[] = {
		{ .fd = run->pidfd, .events = POLLIN },
		{ .fd = run->note, .events = POLLIN },
		{ .fd = SPEC_FD_CONTROL, .events = POLLIN },
		{ .fd = run->is_ended ? -1 : run->listener, .events = POLLIN },
	};

	if (poll(p, sizeof(p) / sizeof(p[0]), wait_ms(run)) < 0)
		return; /* EINTR: the next turn looks again */
	if (p[1].revents)
		read_notes(run);
	if (p[0].revents)
		run->is_gone = true;
	if (p[2].revents)
		on_control(run);
	if (p[3].revents & POLLIN) {
		if (notify_answer(run->listener, run->filter, run->report) < 0)
			run->listener = -1;
	} else if (p[3].revents) {
		run->listener = -1; /* nobody inside has the filter any more */
	}
	on_time(run);
}

static void finish(struct run *run)
{
	struct report *r = run->report;
	int64_t now;

	(void)waitpid(run->init, NULL, 0);
	read_notes(run);
	now = io_now_us();
	if (!run->is_ended)
		run->ended_us = now;
	if (r->processes_peak < 1 && run->is_ready)
		r->processes_peak = 1;
	watch_scratch(&run->watch);
	r->is_scratch_full |= run->watch.is_scratch_full;
	r->scratch_bytes = run->watch.scratch_bytes;
	r->scratch_files = run->watch.scratch_files;
	r->jail_us = (run->is_ready ? run->ready_us : run->ended_us) - run->begin_us;
	r->run_us = run->is_ready ? run->ended_us - run->ready_us : 0;
	r->compile_us = run->compile_us;
	r->collect_us = now - run->ended_us;
	if (r->err.code == ERR_NONE && !run->is_ready && !run->is_killed)
		(void)err_set(&r->err, ERR_ISOLATION, "the jail ended before the program began");
	else if (r->err.code == ERR_NONE && !run->is_ended && !run->is_killed)
		r->end = REPORT_KILLED; /* process 1 was killed from outside */
}

void supervise(const struct spec *spec, struct report *report)
{
	struct run run = { .spec = spec,
			   .report = report,
			   .listener = -1,
			   .note = -1,
			   .pidfd = -1,
			   .watch = { .proc = -1,
				      .scratch = -1,
				      .cgroup = spec->cgroup ? SPEC_FD_CGROUP : -1 },
			   .begin_us = io_now_us() };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	report->start_us = run.begin_us;
	run.filter = filter_find(spec->seccomp);
	if (!run.filter) {
		(void)err_set(&report->err, ERR_CONFIG, "no seccomp filter is called '%s'",
			      spec->seccomp);
		return;
	}
	if (start(&run) < 0)
		return;
	/* the job's ends of the output are its own; ours would keep sbx waiting */
	(void)close(0);
	(void)close(1);
	(void)close(2);
	(void)close(SPEC_FD_HARVEST);
	while (!run.is_gone)
		turn(&run);
	finish(&run);
}
