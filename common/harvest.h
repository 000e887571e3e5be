// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_HARVEST_H
#define SBX_HARVEST_H

/*
 * What process 1 of the jail sends over SPEC_FD_HARVEST, one packet each: a type, then the name,
 * relative to the workspace, raw bytes without NUL. Names are hostile. A 'F' carries a descriptor.
 */
enum harvest_type {
	HARVEST_FILE = 'F', /* a regular file of the upper layer, open for reading */
	HARVEST_GONE = 'D', /* a name of the lower layer was removed */
	HARVEST_OPAQUE = 'O', /* everything of the lower layer below this directory was removed */
	HARVEST_SKIP = 'S', /* one byte of enum harvest_why, then the name */
	HARVEST_STATUS = 'X', /* first packet: struct harvest_status in place of a name */
	HARVEST_END = 'E', /* the walk is complete */
};

enum harvest_why {
	HARVEST_WHY_TYPE = 't', /* not a regular file */
	HARVEST_WHY_DEPTH = 'd', /* too deep */
	HARVEST_WHY_NAME = 'n', /* longer than a packet may be */
	HARVEST_WHY_COUNT = 'c', /* more names than the walk goes through */
	HARVEST_WHY_READ = 'r', /* cannot be opened */
};

/* How the command ended, so that sbx knows what to keep before the contents come. */
struct harvest_status {
	int wait_status; /* as of waitpid(2) */
	int is_killed; /* the supervisor ended it */
};

enum { HARVEST_NAME_MAX = 1024, HARVEST_DEPTH_MAX = 32, HARVEST_WALK_MAX = 200000 };

#endif
