// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_HASH_H
#define SBX_HASH_H

#include <nettle/sha2.h>
#include <stddef.h>
#include <stdint.h>

enum { HASH_SIZE = 65 }; /* 64 digits of SHA-256 and a NUL */

/* Ends a running hash and writes its digits; hash is ready for another. */
void hash_end(struct sha256_ctx *hash, char ret[HASH_SIZE]);
void hash_bytes(const void *data, size_t len, char ret[HASH_SIZE]);
/* The whole file, by pread(2) from its beginning. Returns 0, or -1 with errno. */
int hash_file(int fd, char ret[HASH_SIZE]);
/* The same of a file that others may still change: EFBIG as soon as there is more than size. */
int hash_part(int fd, int64_t size, char ret[HASH_SIZE]);

/*
 * The hash of a file that is being written, beside the writing: a thread of its own takes from the file
 * what hash_advance says is there. The file must be ours alone: nobody may shorten it meanwhile.
 */
struct hash_beside;

/* fd stays the caller's. NULL with errno where no thread can be had. */
struct hash_beside *hash_start(int fd);
/* The first size bytes are in the file. */
void hash_advance(struct hash_beside *hash, int64_t size);
/* Waits for what is left and frees hash; does nothing with NULL. Returns 0, or -1 with errno. */
int hash_finish(struct hash_beside *hash, char ret[HASH_SIZE]);

#endif
