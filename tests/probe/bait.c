// SPDX-License-Identifier: Apache-2.0
/*
 * Bait: what a careless launcher or host leaves about. Laid outside only, it shows that the
 * probes which search for such things do find them.
 */
#include "probe.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Errors are left alone: whoever listens there already is as good. */
static void listen_all(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(BAIT_PORT),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int one = 1;

	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(tcp, (struct sockaddr *)&in, sizeof(in)) == 0)
		(void)listen(tcp, 64);

	int local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(un.sun_path + 1, BAIT_SOCKET, strlen(BAIT_SOCKET));
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				    strlen(BAIT_SOCKET));
	if (bind(local, (struct sockaddr *)&un, len) == 0)
		(void)listen(local, 64);
}

static void lay_descriptors(void)
{
	int dir = open("/", O_RDONLY | O_DIRECTORY);
	int mem = memfd_create("bait", 0);

	if (mem >= 0 && ftruncate(mem, 1) == 0)
		(void)dup2(mem, STDIN_FILENO);
	if (dir < 0 || mem < 0)
		(void)fprintf(stderr, "sbx-probe: bait is incomplete\n");
}

pid_t bait_lay(char *word)
{
	pid_t parent = getpid();

	listen_all();
	lay_descriptors();
	(void)setenv(BAIT_ENV, "bait", 1);
	pid_t pid = fork();
	if (pid == 0) {
		memset(word, 0, strlen(word));
		memcpy(word, "token", 5);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		(void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
		while (getppid() == parent)
			(void)pause();
		_exit(0);
	}
	return pid;
}

int bait_hold(void)
{
	char buf[64];

	listen_all();
	(void)printf("{\"hold\":\"ready\"}\n");
	(void)fflush(stdout);
	while (read(STDIN_FILENO, buf, sizeof(buf)) > 0)
		;
	return 0;
}
