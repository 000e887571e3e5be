// SPDX-License-Identifier: Apache-2.0
/*
 * deny ERRNO CALL[:ARGUMENT:BITS]... -- COMMAND...: runs the command where these calls fail with that number,
 * as a container's filter or an older kernel has it; with ARGUMENT only if it has one of the BITS.
 */
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int i, done = 0, err = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;

	for (i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
		char *name = strtok(argv[i], ":"), *arg = strtok(NULL, ":"), *bits = strtok(NULL, ":");
		int nr = seccomp_syscall_resolve_name(name);
		unsigned long mask = bits ? strtoul(bits, NULL, 0) : 0;

		if (arg)
			done |= seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned int)err), nr, 1,
				SCMP_CMP((unsigned int)strtoul(arg, NULL, 10), SCMP_CMP_MASKED_EQ, mask, mask));
		else
			done |= seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned int)err), nr, 0);
	}
	if (done || i + 1 >= argc || seccomp_load(filter) < 0) {
		(void)fprintf(stderr, "deny: cannot\n");
		return 99;
	}
	(void)execvp(argv[i + 1], argv + i + 1);
	return 98;
}
