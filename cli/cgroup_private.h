// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_CGROUP_PRIVATE_H
#define SBX_CGROUP_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What cgroup.c and cgroup_find.c share, and ps reads. */

/* The leaf that sbx moves itself into when it sits in the delegated directory itself. */
#define CGROUP_OWN "sbx-main"
#define CGROUP_PREFIX "sbx-"

enum { CGROUP_MEMORY = 1, CGROUP_PIDS = 2, CGROUP_CPU = 4, CGROUP_IO = 8 };

struct place {
	int dir; /* the directory that leaves are made in */
	bool is_inside; /* sbx itself sits there and has to go into a leaf of its own */
	bool is_scope; /* made for this run by the service manager */
};

/* Opens the delegated subtree that this process is in; -1 with the reason in why. */
int cgroup_find(struct place *ret, char *why, size_t size);
/* Asks the service manager for a scope and is moved into it; -1 with the reason in why. */
int cgroup_ask(const char *exec, bool system_too, struct place *ret, char *why, size_t size);
/* Enables the controllers for leaves of place; a set of CGROUP_*, -1 with the reason in why. */
int cgroup_enable(const struct place *place, char *why, size_t size);
/* The cgroup v2 directory of a process ("self": our own), as an absolute path; NULL: none. Heap. */
char *cgroup_path_of(const char *pid);
/* Opens the leaf of a run, looked for from its supervisor's cgroup upwards; -1: it has none. */
int cgroup_leaf(pid_t supervisor, const char *exec);

/* Reads a small file of a cgroup; bytes read, -1 with errno. Always ends buf with NUL. */
ssize_t cgroup_read_file(int dir, const char *name, char *buf, size_t size);
/* The number behind key in a file of "key number" lines, 0 when it is not there. */
int64_t cgroup_key(const char *text, const char *key);
/* A file of one number; 0 for "max", -1 when it is not there. */
int64_t cgroup_number(int dir, const char *name);

#endif
