// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_VIEW_H
#define SBX_VIEW_H

#include "spec.h"

/* What of the root (of the host or an image) a jail sees: the list of mounts is built with these. */
enum view_flag {
	VIEW_IMAGE = 1, /* the source is beneath the image */
	VIEW_FILE = 2,
	VIEW_EXEC = 4, /* can be executed and mapped as code */
	VIEW_EMPTY = 8, /* an empty directory or file covers what is there */
	VIEW_OPTIONAL = 16, /* it may be covered already, or gone */
};

/* target NULL: the same as source. 0, or -1 with err (also when the list is full). */
int view_mount(struct spec *spec, const char *source, const char *target, unsigned int flags,
	       struct err *err);
/* A small file of ours with text, or a symbolic link; is_program: it can be executed. */
int view_file(struct spec *spec, const char *path, const char *text, const char *link,
	      bool is_program, struct err *err);

/*
 * Real paths beneath root, sorted and each once, that a pattern of absolute path leads to; '*' and
 * '?' stand for part of one name; links are followed inside root only. what: S_IFDIR, S_IFREG, or 0
 * for both. NULL: out of memory; else a list for json_strings_free().
 */
char **view_find(int root, const char *pattern, unsigned int what);
/* The names of a directory beneath root, sorted, without "." and ".."; NULL when it cannot be read. */
char **view_names(int root, const char *path);
/* Opens an absolute path beneath root, links followed inside it only; -1 with errno. */
int view_open(int root, const char *path, int flags);
/* A whole text file below max bytes, or NULL. */
char *view_text(int root, const char *path, size_t max);
/* Appends a copy to a list of strings; 0 or -1. */
int view_append(char ***list, const char *text);
bool view_has(char *const *list, const char *text);

#endif
