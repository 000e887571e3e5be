// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_IMAGE_H
#define SBX_IMAGE_H

#include "err.h"

struct config;

/* The root directory of an image; ERR_RUNTIME with a hint when it was not built. */
int image_open(const struct config *config, const char *name, struct err *err);

#endif
