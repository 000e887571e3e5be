// SPDX-License-Identifier: Apache-2.0
/*
 * Compiles the call lists of profiles/seccomp/ into BPF while sbx is built:
 *
 *	filter_gen [--arch x86_64|aarch64] base.json strict.json ... > filters.inc
 *
 * This part writes the C; filter_gen_read.c reads the lists, filter_gen_bpf.c compiles them.
 * A mistake in a list ends the build with the file and a JSON pointer.
 */
#include "filter_gen.h"
#include "filter_data.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <nettle/sha2.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROFILES_MAX = 8 };

static const struct arch arches[] = {
	{ "x86_64", SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, true },
	{ "aarch64", SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, false },
};

struct program {
	struct sock_filter *insns;
	size_t n;
};

static void at_print(const struct at *at)
{
	if (!at->up) {
		(void)fprintf(stderr, "%s: ", at->key);
		return;
	}
	at_print(at->up);
	if (!at->key) {
		(void)fprintf(stderr, "/%zu", at->index);
		return;
	}
	(void)fputc('/', stderr);
	for (const char *c = at->key; *c; c++) {
		if (*c == '~' || *c == '/')
			(void)fputs(*c == '~' ? "~0" : "~1", stderr);
		else
			(void)fputc(*c, stderr);
	}
}

void die(const struct at *at, const char *fmt, ...)
{
	va_list ap;

	(void)fputs("filter_gen: ", stderr);
	if (at) {
		at_print(at);
		(void)fputs(at->up ? ": " : "", stderr);
	}
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

void *alloc(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		die(NULL, "out of memory");
	return p;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void print_insns(const struct profile *profile, const char *kind, const struct program *p)
{
	printf("\nstatic const struct sock_filter filter_%s_%s[] = {", profile->name, kind);
	for (size_t i = 0; i < p->n; i++) {
		const struct sock_filter *f = &p->insns[i];

		printf("%s{ 0x%02x, %u, %u, 0x%08x },", i % 4 == 0 ? "\n\t" : " ", f->code, f->jt,
		       f->jf, f->k);
	}
	printf("\n};\n");
}

static void print_hash(const char *kind, const struct program *p)
{
	struct sha256_ctx ctx;
	uint8_t digest[SHA256_DIGEST_SIZE];

	sha256_init(&ctx);
	sha256_update(&ctx, p->n * sizeof(p->insns[0]), (const uint8_t *)p->insns);
	sha256_digest(&ctx, sizeof(digest), digest);
	printf("\t\t.%s_sha256 = \"", kind);
	for (size_t i = 0; i < sizeof(digest); i++)
		printf("%02x", digest[i]);
	printf("\",\n");
}

static void print_answers(const struct profile *profile)
{
	printf("\nstatic const struct filter_answer filter_%s_answers[] = {\n", profile->name);
	for (size_t i = 0; i < profile->n; i++) {
		const struct call *call = &profile->calls[i];
		uint32_t act = rule_notify(call->rule);

		if (call->nr >= 0 && act)
			printf("\t{ %d, %u, \"%s\" },\n", call->nr, act & SECCOMP_RET_DATA,
			       call->name);
	}
	printf("};\n");
}

static unsigned count_calls(const struct profile *profile)
{
	unsigned n = 0;

	for (size_t i = 0; i < profile->n; i++)
		n += profile->calls[i].nr >= 0 && rule_allows(profile->calls[i].rule);
	return n;
}

static void print_sets(const struct profile *profiles, struct program progs[][2], size_t n)
{
	printf("\n#define FILTER_SETS_N %zu\n", n);
	printf("static const struct filter_set filter_sets[FILTER_SETS_N] = {\n");
	for (size_t i = 0; i < n; i++) {
		const char *name = profiles[i].name;

		printf("\t{\n\t\t.name = \"%s\",\n", name);
		printf("\t\t.calls = %u,\n", count_calls(&profiles[i]));
		printf("\t\t.notify_insns = filter_%s_notify,\n", name);
		printf("\t\t.notify_n = %zu,\n", progs[i][1].n);
		print_hash("notify", &progs[i][1]);
		printf("\t\t.plain_insns = filter_%s_plain,\n", name);
		printf("\t\t.plain_n = %zu,\n", progs[i][0].n);
		print_hash("plain", &progs[i][0]);
		printf("\t\t.answers = filter_%s_answers,\n", name);
		printf("\t\t.answers_n = sizeof(filter_%s_answers) / "
		       "sizeof(filter_%s_answers[0]),\n\t},\n", name, name);
	}
	printf("};\n");
}

static int by_number(const void *a, const void *b)
{
	const struct call *x = a, *y = b;

	return (x->nr > y->nr) - (x->nr < y->nr);
}

static void write_all(struct profile *profiles, size_t n, char *const *paths,
		      const struct arch *arch)
{
	struct program progs[PROFILES_MAX][2];

	printf("// SPDX-License-Identifier: Apache-2.0\n");
	printf("/* Written by filter_gen for %s from", arch->name);
	for (size_t i = 0; i < n; i++)
		printf(" %s", base_name(paths[i]));
	printf("; filter_data.h says what it is. */\n");
	printf("#define FILTER_ARCH \"%s\"\n#define FILTER_AUDIT_ARCH 0x%08xU\n", arch->name,
	       arch->audit);
	for (size_t i = 0; i < n; i++) {
		/* Sorted only now: a profile may be extended up to here. */
		qsort(profiles[i].calls, profiles[i].n, sizeof(profiles[i].calls[0]), by_number);
		for (size_t j = 0; j < 2; j++)
			progs[i][j].insns = program_compile(&profiles[i], j == 1, arch,
							    &progs[i][j].n);
		print_insns(&profiles[i], "notify", &progs[i][1]);
		print_insns(&profiles[i], "plain", &progs[i][0]);
		print_answers(&profiles[i]);
	}
	print_sets(profiles, progs, n);
	for (size_t i = 0; i < n; i++) {
		free(progs[i][0].insns);
		free(progs[i][1].insns);
	}
	if (fflush(stdout) != 0 || ferror(stdout))
		die(NULL, "writing: %s", strerror(errno));
}

static const struct arch *find_arch(const char *name)
{
	for (size_t i = 0; i < COUNT(arches); i++) {
		if (name ? strcmp(arches[i].name, name) == 0
			 : arches[i].scmp == seccomp_arch_native())
			return &arches[i];
	}
	die(NULL, "architecture '%s' is not one of x86_64, aarch64",
	    name ? name : "of this machine");
}

int main(int argc, char **argv)
{
	static struct profile profiles[PROFILES_MAX];
	const struct arch *arch;
	const char *name = NULL;
	char **paths = argv + 1;
	size_t n = 0;

	if (argc > 2 && strcmp(argv[1], "--arch") == 0) {
		name = argv[2];
		paths += 2;
	}
	arch = find_arch(name);
	if (!*paths || **paths == '-')
		die(NULL, "usage: filter_gen [--arch x86_64|aarch64] FILE... > filters.inc");
	for (; paths[n]; n++) {
		if (n == PROFILES_MAX)
			die(NULL, "more than %d profiles", PROFILES_MAX);
		profile_read(paths[n], profiles, n, arch);
	}
	write_all(profiles, n, paths, arch);
	while (n > 0)
		profile_done(&profiles[--n]);
	return EXIT_SUCCESS;
}
