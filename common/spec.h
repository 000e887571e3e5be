// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_SPEC_H
#define SBX_SPEC_H

#include "err.h"
#include "json.h"

/*
 * All that sbx asks of sbx-jail: plain numbers, paths and words, no policy left in it. It goes as
 * one JSON document over descriptor 3. Descriptors of sbx-jail, all others are closed at its start:
 */
enum spec_fd {
	SPEC_FD_SPEC = 3, /* this document, to end of file */
	SPEC_FD_REPORT = 4, /* struct report as JSON, written once */
	SPEC_FD_INPUT = 5, /* directory with "in" (lower layer) and "dirs" (to be copied) */
	SPEC_FD_HARVEST = 6, /* SOCK_SEQPACKET: what changed, see harvest.h */
	SPEC_FD_CONTROL = 7, /* end of file: sbx is gone; a byte: end the run for that reason */
	SPEC_FD_CGROUP = 8, /* directory of the job's cgroup; only with cgroup */
	SPEC_FD_ROOT = 9, /* root of an image; only with image */
};

/*
 * Something of the host (or of the image at SPEC_FD_ROOT) that is mounted read-only, in the order of
 * the list. empty: nothing of either; an empty directory or file covers target, which is there.
 */
struct spec_mount {
	char *source, *target; /* absolute; beneath the image when from_image */
	bool from_image, optional, is_file, exec, empty;
};

enum { SPEC_LIST_MAX = 1024 }; /* mounts, files */

struct spec_file {
	char *path; /* absolute, in the jail's root; directories are made */
	char *text; /* content of a file, or */
	char *link; /* target of a symbolic link */
	bool exec; /* the file is a program */
};

struct spec {
	int64_t v;
	char **argv; /* absolute path first */
	char **compile; /* run before argv, or NULL */
	char **env; /* NAME=value */
	char *hostname;
	json_t *mounts_json, *files_json;
	struct spec_mount *mounts;
	size_t mount_count;
	struct spec_file *files;
	size_t file_count;
	char *workspace; /* "overlay", "auto" (copy where there is no overlay) or "copy" */
	char *proc; /* "fresh" or "empty" */
	char *seccomp; /* name of a filter that was compiled in */
	bool exec_writable; /* the workspace and /tmp are not noexec: a compiler is there */
	bool notify; /* denied attacks are reported by user notification */
	bool cgroup; /* SPEC_FD_CGROUP is there; the job is born in it */
	bool image; /* SPEC_FD_ROOT is there */
	char **exec_paths; /* Landlock lets these be executed, beside mounts with exec */
	bool exec_listed; /* only exec_paths: what else is mounted with exec is mapped only */
	int64_t landlock_min; /* refuse with an older ABI; 0: none is needed */
	int64_t wall_ms, cpu_ms, compile_wall_ms;
	int64_t memory_bytes, processes, open_files, file_bytes, stack_bytes;
	int64_t scratch_bytes, scratch_files;
	int64_t input_bytes; /* of the files in "in", to choose how they are brought in */
	int64_t data_bytes; /* RLIMIT_DATA of each process; 0: none */
};

/* Both give 0 or -1; spec_decode checks every range again, since sbx-jail trusts nobody. */
int spec_decode(const char *text, size_t len, struct spec *ret, struct err *err);
char *spec_encode(const struct spec *spec, struct err *err);
void spec_done(struct spec *spec);

#endif
