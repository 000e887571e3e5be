// SPDX-License-Identifier: Apache-2.0
/* What can be reached, and what tells of a network. */
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define NO_ROUTE "ENETUNREACH|EHOSTUNREACH|EACCES|EPERM|EAFNOSUPPORT|ENETDOWN"
#define NO_ONE "ECONNREFUSED|EACCES|EPERM|EAFNOSUPPORT|ENETUNREACH|EADDRNOTAVAIL"
#define CONNECT_MS 1200

static socklen_t fill(struct sockaddr_storage *addr, const char *text, int port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)addr;

	memset(addr, 0, sizeof(*addr));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((unsigned short)port);
		return sizeof(*in);
	}
	(void)inet_pton(AF_INET6, text, &in6->sin6_addr);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((unsigned short)port);
	return sizeof(*in6);
}

static int run_tcp(struct attempt *t)
{
	struct sockaddr_storage addr;
	socklen_t len = fill(&addr, t->probe->path, (int)t->probe->a[0]);
	int err = 0;
	socklen_t size = sizeof(err);

	int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	if (connect(fd, (struct sockaddr *)&addr, len) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	if (poll(&p, 1, CONNECT_MS) <= 0)
		return LATE;
	(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size);
	return err;
}

/* A connected datagram socket needs a route, and no packet is sent. */
static int run_route(struct attempt *t)
{
	struct sockaddr_storage addr;
	socklen_t len = fill(&addr, t->probe->path, (int)t->probe->a[0]);

	int fd = socket(addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	return answer(connect(fd, (struct sockaddr *)&addr, len));
}

/* A question for the root name servers: that it leaves is bad enough. */
static int run_dns(struct attempt *t)
{
	static const unsigned char query[] = { 0x5b, 0x78, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0,
					       0,    0,	   2, 0, 1 };
	struct sockaddr_storage addr;
	socklen_t len = fill(&addr, t->probe->path, 53);

	int fd = socket(addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	return answer(sendto(fd, query, sizeof(query), 0, (struct sockaddr *)&addr, len));
}

/* Devices that the kernel makes in each new namespace are nobody's. */
static bool is_fallback(const char *name)
{
	static const char *const names[] = { "lo", "tunl0", "gre0", "gretap0", "erspan0",
					     "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0" };

	for (size_t i = 0; i < NELEM(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static int run_interfaces(struct attempt *t)
{
	char text[8192], name[32];

	(void)t;
	if (slurp("/proc/net/dev", text, sizeof(text)) < 0)
		return errno;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (strchr(line, ':') && sscanf(line, " %31[^: ]", name) == 1 && !is_fallback(name))
			return 0;
	return NOTHING;
}

/* The same by address: names and addresses of all that is up. */
static int run_ifconf(struct attempt *t)
{
	struct ifreq reqs[64];
	struct ifconf conf = { .ifc_len = sizeof(reqs), .ifc_req = reqs };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)t;
	if (fd < 0)
		return errno;
	return answer(ioctl(fd, SIOCGIFCONF, &conf));
}

/* More lines than the header. */
static int run_table(struct attempt *t)
{
	char text[8192];

	if (slurp(t->probe->path, text, sizeof(text)) < 0)
		return errno;
	const char *line = strchr(text, '\n');
	return line && line[1] ? 0 : NOTHING;
}

/* A route that leads elsewhere than to lo. */
static int run_routes6(struct attempt *t)
{
	char text[16384];

	(void)t;
	if (slurp("/proc/net/ipv6_route", text, sizeof(text)) < 0)
		return errno;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		const char *name = strrchr(line, ' ');
		if (name && !is_fallback(name + 1))
			return 0;
	}
	return NOTHING;
}

static int run_bind_device(struct attempt *t)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	return answer(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, t->probe->path,
				 (socklen_t)strlen(t->probe->path)));
}

#define TCP(label, addr, port, want, twin, why)                                                    \
	{ label, NULL, want, twin, why, .run = run_tcp, .path = addr, .a = { port } }
#define ROUTE(label, addr, twin, why)                                                              \
	{ label, NULL, NO_ROUTE, twin, why, .run = run_route, .path = addr, .a = { 53 } }

static const struct probe probes[] = {
	TCP("net-host-loopback", "127.0.0.1", BAIT_PORT, NO_ONE, DONE,
	    "a service of the host on 127.0.0.1"),
	TCP("net-host-loopback-alias", "127.1.2.3", BAIT_PORT, NO_ONE, NEEDS_ROOT,
	    "the rest of 127/8; the bait listens on one address only"),
	TCP("net-host-any", "0.0.0.0", BAIT_PORT, NO_ONE, DONE, "0.0.0.0 means this host"),
	TCP("net-host-mapped", "::ffff:127.0.0.1", BAIT_PORT, NO_ONE, DIFFERS,
	    "127.0.0.1 by a mapped address"),
	TCP("net-tcp-1.1.1.1", "1.1.1.1", 443, NO_ROUTE, DIFFERS, "the internet"),
	TCP("net-tcp-metadata", "169.254.169.254", 80, NO_ROUTE, DIFFERS, "credentials of a cloud"),
	TCP("net-tcp-private", "10.0.0.1", 80, NO_ROUTE, DIFFERS, "the network next door"),
	TCP("net-tcp6", "2606:4700:4700::1111", 443, NO_ROUTE, NEEDS_ROOT,
	    "the internet; outside only where there is IPv6"),
	ROUTE("net-route-1.1.1.1", "1.1.1.1", DONE, "a route to the internet"),
	ROUTE("net-route-metadata", "169.254.169.254", DONE, "a route to a cloud's metadata"),
	ROUTE("net-route-private", "192.168.0.1", DONE, "a route to private networks"),
	ROUTE("net-route-docker", "172.17.0.1", DONE, "a route to the container bridge"),
	ROUTE("net-route-multicast", "224.0.0.251", DONE, "a route to the link's multicast"),
	{ "net-dns", NULL, NO_ROUTE, DONE, "a question to a name server", .run = run_dns,
	  .path = "1.1.1.1" },
	{ "net-interfaces", NULL, "nothing|ENOENT|EACCES", DONE, "an interface that is not lo",
	  .run = run_interfaces },
	{ "net-ifconf", NULL, "ENOTTY|EAFNOSUPPORT|EPERM", DONE, "addresses by ioctl",
	  .run = run_ifconf },
	{ "net-routes", NULL, "nothing|ENOENT|EACCES", DONE, "the table of routes",
	  .run = run_table, .path = "/proc/net/route" },
	{ "net-routes6", NULL, "nothing|ENOENT|EACCES", NEEDS_ROOT,
	  "the table of routes; outside only where there is IPv6", .run = run_routes6 },
	{ "net-tcp-table", NULL, "nothing|ENOENT|EACCES", DONE, "connections of the host",
	  .run = run_table, .path = "/proc/net/tcp" },
	{ "net-arp", NULL, "nothing|ENOENT|EACCES", NEEDS_ROOT,
	  "neighbours of the host, where it has any", .run = run_table, .path = "/proc/net/arp" },
	{ "net-bind-device", NULL, "ENODEV|EPERM|EAFNOSUPPORT", NEEDS_ROOT,
	  "a socket tied to an interface", .run = run_bind_device, .path = "eth0" },
	{ "net-sysfs", NULL, "ENOENT|EACCES|nothing", DIFFERS, "interfaces in /sys",
	  .run = run_list, .path = "/sys/class/net" },
};

GROUP(group_network, "network", "S0-32", probes);
