// SPDX-License-Identifier: Apache-2.0
/* Process 1: an empty network namespace, of which only the loopback interface is brought up. */
#include "cleanup.h"
#include "jail.h"

#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int network_enter(struct jail *jail, struct err *err)
{
	struct ifreq request = { .ifr_flags = IFF_UP | IFF_RUNNING };
	AUTO_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)jail;
	(void)strcpy(request.ifr_name, "lo");
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return err_sys(err, ERR_ISOLATION, "bring up the loopback interface");
	return 0;
}
