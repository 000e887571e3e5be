// SPDX-License-Identifier: Apache-2.0
#include "cleanup.h"
#include "config.h"
#include "io.h"
#include "slot.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int tests, failures;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, what);
	failures += !good;
}

static int taken(int state, const struct config *c, const char *user, struct err *err)
{
	int fd = -1;

	return slot_take(state, c, user, &fd, NULL, err) < 0 ? -1 : fd;
}

static void test_limits(int state, struct config *c)
{
	struct err err = { 0 };
	int a, b, d;
	int64_t running, waiting, start;

	a = taken(state, c, "alice", &err);
	b = taken(state, c, "alice", &err);
	ok(a >= 0 && b >= 0 && (fcntl(a, F_GETFD) & FD_CLOEXEC), "two slots of a user are two");
	ok(taken(state, c, "alice", &err) < 0 && err.code == ERR_BUSY && err.retry_ms > 0 &&
		   strstr(err.msg, "slots_user is 2") && strstr(err.msg, "/etc/sbx.json"),
	   "the third is refused, with limit and origin");
	d = taken(state, c, "bob", &err);
	ok(d >= 0 && taken(state, c, "carol", &err) < 0, "three of the host are three");
	ok(slot_count(state, &running, &waiting, NULL) == 0 && running == 3 && waiting == 0,
	   "three are counted");
	(void)close(a);
	a = taken(state, c, "carol", &err);
	ok(a >= 0, "what is closed is free");
	c->wait_ms = 60;
	start = io_now_ms();
	ok(taken(state, c, "dave", &err) < 0 && io_now_ms() - start >= 60 &&
		   io_now_ms() - start < 1000,
	   "one waits for as long as was set");
	c->wait_ms = 0;
	(void)close(a);
	(void)close(b);
	(void)close(d);
	ok(slot_count(state, &running, &waiting, NULL) == 0 && running == 0, "nothing is left");
	c->pressure_percent = 1;
	ok(taken(state, c, "alice", &err) < 0 && strstr(err.msg, "memory"),
	   "a host under pressure refuses");
	c->pressure_percent = 0;
}

struct shared {
	int now[3], most[3], host, host_most, served[3], order[4000], done;
};

static int raise_to(int *counter, int *most)
{
	int n = __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST),
	    m = __atomic_load_n(most, __ATOMIC_SEQ_CST);

	while (n > m &&
	       !__atomic_compare_exchange_n(most, &m, n, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	return n;
}

/* A process that counts itself while it holds a slot; some are killed while they hold one. */
static void compete(int state, const struct config *c, struct shared *s, int i)
{
	static const char *const users[] = { "u0", "u1", "u2" };
	int u = i % 3, fd = -1;

	if (slot_take(state, c, users[u], &fd, NULL, NULL) < 0)
		_exit(1);
	(void)raise_to(&s->now[u], &s->most[u]);
	(void)raise_to(&s->host, &s->host_most);
	(void)usleep(2000);
	(void)__atomic_add_fetch(&s->served[u], 1, __ATOMIC_SEQ_CST);
	(void)__atomic_sub_fetch(&s->now[u], 1, __ATOMIC_SEQ_CST);
	(void)__atomic_sub_fetch(&s->host, 1, __ATOMIC_SEQ_CST);
	if (i % 5 == 0)
		(void)kill(getpid(), SIGKILL); /* still holding it */
	_exit(0);
}

static void test_processes(int state, const struct config *given, int processes)
{
	struct config c = *given;
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t running, waiting, start = io_now_ms();
	int i, status, refused = 0;

	c.wait_ms = 60000;
	c.queue = 4000;
	fflush(stdout);
	for (i = 0; i < processes; i++)
		if (fork() == 0)
			compete(state, &c, s, i);
	while (wait(&status) > 0)
		refused += WIFEXITED(status) && WEXITSTATUS(status) != 0;
	fprintf(stderr, "# %d processes: %d ms, most %d %d %d host %d\n", processes,
		(int)(io_now_ms() - start), s->most[0], s->most[1], s->most[2], s->host_most);
	ok(s->most[0] <= 2 && s->most[1] <= 2 && s->most[2] <= 2,
	   "no user is ever above its slots");
	ok(s->host_most <= 3, "the host is never above its slots");
	ok(refused == 0 && s->served[0] + s->served[1] + s->served[2] == processes,
	   "all who wait are served");
	ok(slot_count(state, &running, &waiting, NULL) == 0 && running == 0 && waiting == 0,
	   "no lock and no place is left");
	(void)munmap(s, sizeof(*s));
}

static void wait_for(int state, int64_t wanted)
{
	int64_t running, waiting = -1;
	int i;

	for (i = 0; i < 2000 && waiting != wanted; i++) {
		(void)usleep(2000);
		(void)slot_count(state, &running, &waiting, NULL);
	}
}

static pid_t queue_up(int state, const struct config *c, const char *user, char mark, int out,
		      int held)
{
	pid_t pid = fork();

	if (pid == 0) {
		int fd = -1, got;
		char said;

		(void)close(held); /* a copy would keep the parent's slot */
		got = slot_take(state, c, user, &fd, NULL, NULL);
		said = got < 0 ? '-' : mark;

		(void)!write(out, &said, 1);
		(void)usleep(3000);
		_exit(0);
	}
	return pid;
}

static void test_turns(int state, const struct config *given)
{
	struct config c = *given;
	int fd, pipes[2], i;
	char said[32] = "";
	size_t n = 0;

	c.slots_total = 1;
	fd = taken(state, &c, "x", NULL);
	c.wait_ms = 20000;
	c.queue = 100;
	fflush(stdout);
	if (fd < 0 || pipe(pipes) < 0)
		abort();
	for (i = 0; i < 6; i++) {
		(void)queue_up(state, &c, "greedy", 'g', pipes[1], fd);
		wait_for(state, i + 1);
	}
	(void)queue_up(state, &c, "modest", 'm', pipes[1], fd);
	wait_for(state, 7);
	(void)close(fd);
	(void)close(pipes[1]);
	while (n < sizeof(said) - 1 && read(pipes[0], said + n, 1) == 1)
		n++;
	(void)close(pipes[0]);
	while (wait(NULL) > 0)
		;
	fprintf(stderr, "# turns: %s\n", said);
	ok(!strcmp(said, "gmggggg"), "users take turns, however many of one wait");
}

static void test_queue(int state, const struct config *given)
{
	struct config c = *given;
	struct err err = { 0 };
	int fd, pipes[2], i, refused = 0, greedy = 0, modest = 0;
	pid_t pids[3];
	char byte;

	c.slots_total = 1;
	fd = taken(state, &c, "x", NULL);
	c.wait_ms = 20000;
	c.queue = 3;
	fflush(stdout);
	if (fd < 0 || pipe(pipes) < 0)
		abort();
	for (i = 0; i < 3; i++)
		pids[i] = queue_up(state, &c, "greedy", 'g', pipes[1], fd);
	wait_for(state, 3);
	ok(taken(state, &c, "greedy", &err) < 0 && err.code == ERR_BUSY &&
		   strstr(err.msg, "queue is 3"),
	   "a full queue refuses at once");
	(void)queue_up(state, &c, "modest", 'm', pipes[1], fd);
	(void)!read(pipes[0], &byte, 1);
	ok(byte == '-', "in a full queue the user with most waiters gives way");
	(void)kill(pids[0], SIGKILL);
	(void)kill(pids[1], SIGKILL);
	(void)waitpid(pids[0], NULL, 0);
	(void)waitpid(pids[1], NULL, 0);
	(void)close(fd);
	(void)close(pipes[1]);
	while (read(pipes[0], &byte, 1) == 1) {
		greedy += byte == 'g';
		modest += byte == 'm';
		refused += byte == '-';
	}
	(void)close(pipes[0]);
	while (wait(NULL) > 0)
		;
	ok(modest == 1 && refused == 0 && greedy <= 1, "waiters who were killed hold nobody up");
}

int main(void)
{
	char base[] = "/tmp/sbx-slot-XXXXXX";
	struct config c = { .slots_user = 2,
			    .slots_total = 3,
			    .queue = 10,
			    .origins = json_pack("{s:s}", "slots_user", "/etc/sbx.json") };
	int state, root = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), i;
	bool is_long = getenv("SBX_LONG") != NULL;
	int64_t start;

	if (!mkdtemp(base))
		return 1;
	state = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_limits(state, &c);
	test_processes(state, &c, is_long ? 1000 : 200);
	test_turns(state, &c);
	test_queue(state, &c);
	start = io_now_us();
	for (i = 0; i < 1000; i++)
		(void)close(taken(state, &c, "speed", NULL));
	fprintf(stderr, "# slot_take: %.1f us\n", (double)(io_now_us() - start) / 1000);
	printf("1..%d\n", tests);
	(void)close(state);
	(void)io_remove_tree(root, base + 5);
	(void)close(root);
	json_decref(c.origins);
	return failures != 0;
}
