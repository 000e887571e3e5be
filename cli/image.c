// SPDX-License-Identifier: Apache-2.0
#include "image.h"

#include "cleanup.h"
#include "config.h"
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

int image_open(const struct config *config, const char *name, struct err *err)
{
	int fd;

	if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(name) || !*name)
		return err_set(err, ERR_CONFIG, "'%.40s' is no name of an image", name);
	AUTO_FD int images = open(config->images, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = images < 0 ? -1 : io_open(images, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd >= 0)
		return fd;
	if (errno != ENOENT)
		return err_sys(err, ERR_RUNTIME, "open image '%s'", name);
	(void)err_set(err, ERR_RUNTIME, "image '%s' is not built", name);
	return err_hint(err, "run 'sbx image build %s'", name);
}
