// SPDX-License-Identifier: Apache-2.0
/*
 * The job, before it gives up its capabilities. The count of processes is set here, below the user
 * namespace: set outside it would be shared by all runs of the caller's uid.
 */
#include "jail.h"

#include <sys/resource.h>

static int set(int what, int64_t value, const char *name, struct err *err)
{
	struct rlimit limit = { (rlim_t)value, (rlim_t)value }, have;

	/* the caller's own hard limit may be lower; then it holds, and is read back as such */
	if (getrlimit((__rlimit_resource_t)what, &have) == 0 && have.rlim_max < limit.rlim_max)
		limit.rlim_cur = limit.rlim_max = have.rlim_max;
	if (setrlimit((__rlimit_resource_t)what, &limit) < 0)
		return err_sys(err, ERR_ISOLATION, "set the limit %s to %lld", name,
			       (long long)value);
	return 0;
}

int limits_enter(struct jail *jail, struct err *err)
{
	const struct spec *spec = jail->spec;
	/* a compile step counts too; the supervisor ends by the exact sum, this is the second net */
	int64_t cpu = (spec->cpu_ms + spec->compile_wall_ms) / 1000 + 2;

	/* with a cgroup its count comes first: it tells that a fork was refused */
	if (set(RLIMIT_NPROC, spec->processes + (spec->cgroup ? 16 : 1), "NPROC", err) < 0 ||
	    set(RLIMIT_NOFILE, spec->open_files, "NOFILE", err) < 0 ||
	    set(RLIMIT_FSIZE, spec->file_bytes, "FSIZE", err) < 0 ||
	    set(RLIMIT_STACK, spec->stack_bytes, "STACK", err) < 0 ||
	    set(RLIMIT_CPU, cpu, "CPU", err) < 0 ||
	    set(RLIMIT_MEMLOCK, 65536, "MEMLOCK", err) < 0 ||
	    set(RLIMIT_MSGQUEUE, 0, "MSGQUEUE", err) < 0 ||
	    set(RLIMIT_SIGPENDING, 1024, "SIGPENDING", err) < 0 ||
	    /* 1, not 0: the kernel reads 1 as "no core to a pipe either" (fs/coredump.c) */
	    set(RLIMIT_CORE, 1, "CORE", err) < 0)
		return -1;
	return spec->data_bytes ? set(RLIMIT_DATA, spec->data_bytes, "DATA", err) : 0;
}
