// SPDX-License-Identifier: Apache-2.0
/* sbx-probe tries one forbidden thing by name and prints what came of it. See README.md. */
#include "probe.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define EXIT_USAGE 2

/* In the order of --all: what may bring the whole jail down comes last. */
static const struct probe_group *const groups[] = {
	&group_traversal, &group_proc, &group_procinfo, &group_descriptors, &group_mounts,
	&group_namespaces, &group_capabilities, &group_setid, &group_ipc, &group_network,
	&group_sockets, &group_kernel, &group_memory, &group_process, &group_abi,
	&group_terminal, &group_outside, &group_exec, &group_signals, &group_identity,
	&group_harvest, &group_limits,
};

static int usage(void)
{
	(void)fprintf(stderr, "usage: sbx-probe [--bait] NAME | --all | --group GROUP\n"
			      "       sbx-probe --list | --groups | --hold\n");
	return EXIT_USAGE;
}

static void print_string(const char *key, const char *text)
{
	(void)printf(",\"%s\":", key);
	if (!text) {
		(void)printf("null");
		return;
	}
	(void)putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			(void)putchar('\\');
		(void)putchar(*text);
	}
	(void)putchar('"');
}

static void list(void)
{
	for (size_t i = 0; i < NELEM(groups); i++) {
		for (size_t k = 0; k < groups[i]->count; k++) {
			const struct probe *p = &groups[i]->probes[k];
			(void)printf("{\"name\":\"%s\"", p->name);
			print_string("group", groups[i]->name);
			print_string("row", p->row ? p->row : groups[i]->row);
			print_string("want", p->want);
			print_string("outside", p->outside);
			print_string("why", p->why);
			(void)printf("}\n");
		}
	}
}

/* NULL stands for any. Returns how many were run. */
static size_t run_matching(const char *group, const char *name, pid_t bait_pid)
{
	size_t n = 0;

	for (size_t i = 0; i < NELEM(groups); i++) {
		if (group && strcmp(group, groups[i]->name) != 0)
			continue;
		for (size_t k = 0; k < groups[i]->count; k++) {
			const struct probe *p = &groups[i]->probes[k];
			if (name && strcmp(name, p->name) != 0)
				continue;
			(void)run_probe(p, bait_pid);
			n++;
		}
	}
	return n;
}

static int run(const char *group, const char *name, char *bait)
{
	pid_t pid = bait ? bait_lay(bait) : 0;
	size_t n = run_matching(group, name, pid);

	if (pid > 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	if (n == 0) {
		(void)fprintf(stderr, "sbx-probe: no such %s: '%s'\n", group ? "group" : "probe",
			      group ? group : name);
		return EXIT_USAGE;
	}
	return 0;
}

static int run_words(int argc, char **argv, char *bait)
{
	if (argc == 1 && strcmp(argv[0], "--all") == 0)
		return run(NULL, NULL, bait);
	if (argc == 2 && strcmp(argv[0], "--group") == 0)
		return run(argv[1], NULL, bait);
	if (argc == 1 && argv[0][0] != '-')
		return run(NULL, argv[0], bait);
	return usage();
}

int main(int argc, char **argv)
{
	argc--;
	argv++;
	if (argc == 1 && strcmp(argv[0], "--list") == 0) {
		list();
		return 0;
	}
	if (argc == 1 && strcmp(argv[0], "--groups") == 0) {
		for (size_t i = 0; i < NELEM(groups); i++)
			(void)puts(groups[i]->name);
		return 0;
	}
	if (argc == 1 && strcmp(argv[0], "--hold") == 0)
		return bait_hold();
	if (argc > 1 && strcmp(argv[0], "--bait") == 0)
		return run_words(argc - 1, argv + 1, argv[0]);
	return run_words(argc, argv, NULL);
}
