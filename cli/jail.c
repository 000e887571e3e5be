// SPDX-License-Identifier: Apache-2.0
/* Starts sbx-jail with the descriptors of spec.h, drains its output, takes its results. */
#include "jail.h"

#include "cleanup.h"
#include "harvest.h"
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* a name gives two packets at most: that its directory is opaque, and what is in it */
enum { PACKETS_MAX = 2 * HARVEST_WALK_MAX + 64 };

/* The near ends of everything; the far ends go to sbx-jail. */
struct lines {
	int spec, report, harvest, control, input;
	bool is_harvested, take_failed;
	int64_t packets;
	struct err take_err;
	char *text;
	size_t text_len, text_sent;
	char *feed;
	size_t feed_len, feed_sent;
};

struct ends {
	int fd[SPEC_FD_ROOT + 1];
};

static void close_all(int *fds, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		cleanup_fd(&fds[i]);
}

static int make_pipe(int *ret_near, int *ret_far, bool near_reads, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, ERR_INTERNAL, "make a pipe");
	*ret_near = near_reads ? fds[0] : fds[1];
	*ret_far = near_reads ? fds[1] : fds[0];
	(void)fcntl(*ret_near, F_SETFL, O_NONBLOCK | (near_reads ? O_RDONLY : O_WRONLY));
	return 0;
}

static int open_lines(struct jail_run *run, struct lines *l, struct ends *e, struct err *err)
{
	int out, errors, pair[2], flag = run->stdin_fd < 0;

	if (make_pipe(&l->spec, &e->fd[SPEC_FD_SPEC], false, err) < 0 ||
	    make_pipe(&l->report, &e->fd[SPEC_FD_REPORT], true, err) < 0 ||
	    make_pipe(&l->control, &e->fd[SPEC_FD_CONTROL], false, err) < 0 ||
	    make_pipe(&out, &e->fd[1], true, err) < 0)
		return -1;
	if (sink_open(&run->out, out, run->out.cap) < 0 ||
	    make_pipe(&errors, &e->fd[2], true, err) < 0 ||
	    sink_open(&run->err, errors, run->err.cap) < 0)
		return err_sys(err, ERR_INTERNAL, "prepare for the output");
	if (run->stdin_direct)
		e->fd[0] = fcntl(run->stdin_fd, F_DUPFD_CLOEXEC, 3);
	else if (flag)
		e->fd[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	else if (make_pipe(&l->input, &e->fd[0], false, err) < 0)
		return -1;
	if (e->fd[0] < 0)
		return err_sys(err, ERR_INTERNAL, "open the program's input");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, ERR_INTERNAL, "make a socket");
	l->harvest = pair[0];
	e->fd[SPEC_FD_HARVEST] = pair[1];
	e->fd[SPEC_FD_INPUT] = fcntl(run->input, F_DUPFD_CLOEXEC, 3);
	e->fd[SPEC_FD_CGROUP] = run->cgroup < 0 ? -1 : fcntl(run->cgroup, F_DUPFD_CLOEXEC, 3);
	e->fd[SPEC_FD_ROOT] = run->root < 0 ? -1 : fcntl(run->root, F_DUPFD_CLOEXEC, 3);
	return 0;
}

/*
 * The child of vfork(2), before its exec: descriptors into place, nothing else. It shares our memory
 * and we wait meanwhile, which saves the copy of all page tables.
 */
static void become_jail(const char *path, const struct ends *ends)
{
	struct ends copy = *ends,
		    *e = &copy; /* the memory is the parent's: its numbers must stay */
	static char name[] = "sbx-jail";
	char *const argv[] = { name, NULL }, *const env[] = { NULL };
	int i;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 0; i <= SPEC_FD_ROOT; i++)
		if (e->fd[i] >= 0)
			e->fd[i] = fcntl(e->fd[i], F_DUPFD_CLOEXEC, 32);
	for (i = 0; i <= SPEC_FD_ROOT; i++) {
		if (e->fd[i] >= 0)
			(void)dup2(e->fd[i], i);
		else
			(void)close(i);
	}
	(void)execve(path, argv, env);
	_exit(errno == ENOENT ? 127 : 126);
}

static int start(struct jail_run *run, struct lines *l, struct err *err)
{
	struct ends e;
	char path[PATH_MAX];
	int i;

	for (i = 0; i <= SPEC_FD_ROOT; i++)
		e.fd[i] = -1;
	(void)snprintf(path, sizeof(path), "%s/sbx-jail", run->libexec);
	if (open_lines(run, l, &e, err) < 0) {
		close_all(e.fd, SPEC_FD_ROOT + 1);
		return -1;
	}
	run->pid = vfork();
	if (run->pid == 0)
		become_jail(path, &e);
	close_all(e.fd, SPEC_FD_ROOT + 1);
	if (run->pid < 0)
		return err_sys(err, ERR_INTERNAL, "start sbx-jail");
	return 0;
}

static void write_some(int *fd, const char *data, size_t len, size_t *sent)
{
	ssize_t n = write(*fd, data + *sent, len - *sent);

	if (n > 0)
		*sent += (size_t)n;
	if (*sent == len || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		(void)close(*fd);
		*fd = -1;
	}
}

/* Feeds the command; a file is read piece by piece, so its size does not matter. */
static void feed(struct jail_run *run, struct lines *l)
{
	if (l->feed_sent == l->feed_len) {
		ssize_t n;

		if (!l->feed)
			l->feed = malloc(65536);
		n = l->feed ? read(run->stdin_fd, l->feed, 65536) : 0;
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			return;
		l->feed_len = n > 0 ? (size_t)n : 0;
		l->feed_sent = 0;
		if (n <= 0) {
			(void)close(l->input);
			l->input = -1;
			return;
		}
	}
	ssize_t n = write(l->input, l->feed + l->feed_sent, l->feed_len - l->feed_sent);
	if (n > 0) {
		l->feed_sent += (size_t)n;
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		(void)close(l->input); /* the command has closed its input */
		l->input = -1;
	}
}

/*
 * The descriptors of a packet: room for one has room for two, where its padding is as large as another.
 * Each is ours from here on, so that none stays open unseen: *ret_fd is the first, or -1; the others are closed.
 */
static int take_fds(struct msghdr *msg, int *ret_fd)
{
	struct cmsghdr *c;
	int count = 0;

	*ret_fd = -1;
	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t i, n = c->cmsg_len < CMSG_LEN(0) ? 0 :
							  (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (i = 0; i < n; i++, count++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (count == 0)
				*ret_fd = fd;
			else
				(void)close(fd);
		}
	}
	return count;
}

/*
 * Takes one packet; false when no more are taken: the end came, or what came is not of the protocol. Then
 * process 1 finds the socket closed and ends.
 */
static bool take_packet(struct jail_run *run, struct lines *l)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	char buf[HARVEST_NAME_MAX + 2];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.space,
			      .msg_controllen = sizeof(control.space) };
	ssize_t n = recvmsg(l->harvest, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	int has_why = n > 0 && buf[0] == HARVEST_SKIP, count;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	AUTO_FD int fd = -1;
	count = take_fds(&msg, &fd);
	if (n == 0)
		return false;
	if (n == 1 && count == 0 && buf[0] == HARVEST_END) {
		l->is_harvested = true;
		return false;
	}
	if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || n < 1 + has_why ||
	    count != (buf[0] == HARVEST_FILE) || ++l->packets > PACKETS_MAX ||
	    run->take(run->taker, buf[0], has_why ? buf[1] : 0, buf + 1 + has_why,
		      (size_t)n - 1 - (size_t)has_why, take_fd(&fd), &l->take_err) < 0)
		l->take_failed = true;
	return !l->take_failed;
}

static void drain(struct sink *sink)
{
	if (!sink_drain(sink)) {
		(void)close(sink->fd);
		sink->fd = -1;
	}
}

static int end_on_output(struct jail_run *run, struct lines *l)
{
	if (run->out.total + run->err.total <= run->output_kill)
		return 0;
	run->output_kill = INT64_MAX;
	return write(l->control, "o", 1) == 1 ? 0 : -1;
}

static volatile sig_atomic_t stop_signal;

static void on_stop(int signal)
{
	stop_signal = signal;
}

/* A person's interrupt ends the run in good order: results that are there are still taken. */
static void watch_signals(void)
{
	struct sigaction action = { .sa_handler = on_stop };

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGHUP, &action, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

static void loop(struct jail_run *run, struct lines *l)
{
	bool told = false;

	watch_signals();
	while (run->out.fd >= 0 || run->err.fd >= 0 || l->harvest >= 0) {
		struct pollfd p[] = {
			{ .fd = run->out.fd, .events = POLLIN },
			{ .fd = run->err.fd, .events = POLLIN },
			{ .fd = l->harvest, .events = POLLIN },
			{ .fd = l->input, .events = POLLOUT },
			{ .fd = l->spec, .events = POLLOUT },
		};

		if (stop_signal && !told && write(l->control, "k", 1) == 1)
			told = true;
		if (poll(p, 5, -1) < 0)
			continue; /* EINTR: the signal is looked at above */
		if (p[4].revents)
			write_some(&l->spec, l->text, l->text_len, &l->text_sent);
		if (p[0].revents)
			drain(&run->out);
		if (p[1].revents)
			drain(&run->err);
		if (p[2].revents && !take_packet(run, l)) {
			(void)close(l->harvest);
			l->harvest = -1;
		}
		if (p[3].revents)
			feed(run, l);
		(void)end_on_output(run, l);
	}
}

static int judge(struct jail_run *run, struct lines *l, int status, struct err *err)
{
	const struct report *r = &run->report;

	(void)fcntl(l->report, F_SETFL, 0);
	if (WIFEXITED(status) && (WEXITSTATUS(status) == 126 || WEXITSTATUS(status) == 127)) {
		(void)err_set(err, ERR_INTERNAL, "'%s/sbx-jail' cannot be started", run->libexec);
		return err_hint(err, "install sbx with 'make install', or set \"libexec\"");
	}
	if (report_read(l->report, &run->report, err) < 0)
		return -1;
	if (r->err.code != ERR_NONE) {
		*err = r->err;
		return -1;
	}
	if (l->take_failed) {
		if (l->take_err.code == ERR_NONE)
			(void)err_set(&l->take_err, ERR_INTERNAL, "the results could not be taken");
		*err = l->take_err;
		return -1;
	}
	if (!l->is_harvested && r->end != REPORT_KILLED)
		return err_set(err, ERR_INTERNAL,
			       "the results came in part only: nothing was kept");
	return 0;
}

int jail_run(struct jail_run *run, struct err *err)
{
	struct lines l = { .spec = -1, .report = -1, .harvest = -1, .control = -1, .input = -1 };
	int status = 0, done = -1;

	l.text = spec_encode(run->spec, err);
	if (!l.text)
		return -1;
	l.text_len = strlen(l.text);
	if (start(run, &l, err) < 0)
		goto undo_lines;
	if (run->ready && run->ready(run, run->ready_arg, err) < 0) {
		(void)kill(run->pid, SIGKILL);
		(void)waitpid(run->pid, NULL, 0);
		goto undo_lines;
	}
	loop(run, &l);
	while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR)
		;
	sink_flush(&run->out);
	sink_flush(&run->err);
	done = judge(run, &l, status, err);
undo_lines:
	free(l.text);
	free(l.feed);
	close_all((int[]){ l.spec, l.report, l.harvest, l.control, l.input }, 5);
	return done;
}
