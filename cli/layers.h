// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_LAYERS_H
#define SBX_LAYERS_H

#include "exec.h"

/*
 * Libraries that the operator adds to a profile from files: each is a directory below the setting
 * "layers", PROFILE/KIND-NAME/ with "tree" and "lock.json". The lock has the hash of the file that it
 * was made of and of what came out; the tree is only ever mounted read-only.
 */
struct layer {
	char *profile, *kind, *name, *version, *file, *sha256, *tree, *stamp, *added;
	int64_t v, files, bytes;
	char *id; /* the directory's name; not of the lock */
};

/* All layers of a profile, sorted; a profile without any has none. */
int layers_load(const struct config *config, const char *profile, struct layer **ret,
		size_t *ret_count, struct err *err);
void layers_free(struct layer *layers, size_t count);
/*
 * Mounts them into the jail of a run and puts them where its languages look. Each tree is compared with
 * its lock by owners, modes, sizes and times, without reading it: ERR_CORRUPT.
 */
int layers_view(struct exec *exec, struct err *err);
/* Reads every byte; ERR_CORRUPT for what is not as the lock says. A tree that was only moved is stamped anew. */
int layer_check(const struct config *config, const struct layer *layer, struct err *err);
json_t *layer_json(const struct layer *layer);

/* Unpacks file in a jail and makes a layer of it: {"layer": {...}}. */
int layer_add(struct call *call, const char *profile, const char *kind, const char *file,
	      json_t **ret, struct err *err);
/* By the layer's id, or by the library's name where only one is called so. */
int layer_remove(struct call *call, const char *profile, const char *name, json_t **ret,
		 struct err *err);

/* Of layers.c, for layers_add.c: both sums of a tree, 64 hex digits each; sum NULL: nothing is read. */
int layer_sums(int tree, char *sum, char *stamp, int64_t *ret_files, int64_t *ret_bytes,
	       struct err *err);
/* The directory of layers, or of one profile's; made when make. -1 with errno. */
int layers_open(const struct config *config, const char *profile, bool make);
int layer_write_lock(int dir, const struct layer *layer, struct err *err);

#endif
