// SPDX-License-Identifier: Apache-2.0
/*
 * Families of sockets. Each is code of the kernel that the jail has no use for. Where a host
 * lacks one, or keeps it for root even in a network namespace of one's own, there is no twin.
 */
#include "probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef AF_SMC
#define AF_SMC 43
#endif
#ifndef AF_QIPCRTR
#define AF_QIPCRTR 42
#endif
#ifndef AF_KCM
#define AF_KCM 41
#endif

static int run_socket(struct attempt *t)
{
	const long *a = t->probe->a;

	if (a[3] && ns_own(t, CLONE_NEWNET) < 0)
		return BROKEN;
	return answer(socket((int)a[0], (int)a[1], (int)a[2]));
}

static int run_pair(struct attempt *t)
{
	int fds[2];

	return answer(socketpair((int)t->probe->a[0], SOCK_STREAM, 0, fds));
}

#define SOCKET(label, family, type, proto, own, twin, why)                                         \
	{ label, NULL, W_FAMILY, twin, why, .run = run_socket, .a = { family, type, proto, own } }
#define RARE(label, family, type)                                                                  \
	SOCKET(label, family, type, 0, 0, NEEDS_ROOT, "a family that few hosts have")

static const struct probe probes[] = {
	SOCKET("socket-raw", AF_INET, SOCK_RAW, IPPROTO_ICMP, 1, DONE, "packets of any kind"),
	SOCKET("socket-raw6", AF_INET6, SOCK_RAW, IPPROTO_ICMPV6, 1, DIFFERS, "any IPv6 packet"),
	SOCKET("socket-packet", AF_PACKET, SOCK_RAW, 0, 1, DONE, "frames of the link"),
	SOCKET("socket-ping", AF_INET, SOCK_DGRAM, IPPROTO_ICMP, 0, NEEDS_ROOT,
	       "ping; a host grants it by group"),
	SOCKET("socket-netlink-route", AF_NETLINK, SOCK_RAW, 0, 0, DONE, "netlink: routes"),
	SOCKET("socket-netlink-audit", AF_NETLINK, SOCK_RAW, 9, 0, DIFFERS, "netlink: audit"),
	SOCKET("socket-netlink-netfilter", AF_NETLINK, SOCK_RAW, 12, 0, DIFFERS,
	       "netlink: packet filters, the way of many escapes"),
	SOCKET("socket-netlink-uevent", AF_NETLINK, SOCK_RAW, 15, 0, DONE, "netlink: devices"),
	SOCKET("socket-netlink-generic", AF_NETLINK, SOCK_RAW, 16, 0, DONE, "netlink: generic"),
	SOCKET("socket-netlink-diag", AF_NETLINK, SOCK_RAW, 4, 0, DIFFERS, "netlink: sockets"),
	SOCKET("socket-sctp", AF_INET, SOCK_STREAM, IPPROTO_SCTP, 0, DIFFERS, "SCTP"),
	{ "socket-mptcp", NULL, W_FAMILY "|EPROTONOSUPPORT", DIFFERS, "MPTCP", .run = run_socket,
	  .a = { AF_INET, SOCK_STREAM, IPPROTO_MPTCP, 0 } },
	SOCKET("socket-udplite", AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE, 0, DIFFERS, "UDP-Lite"),
	SOCKET("socket-dccp", AF_INET, SOCK_DCCP, IPPROTO_DCCP, 0, DIFFERS, "DCCP"),
	SOCKET("socket-vsock", AF_VSOCK, SOCK_STREAM, 0, 0, NEEDS_ROOT,
	       "the hypervisor; outside only where there is one"),
	SOCKET("socket-alg", AF_ALG, SOCK_SEQPACKET, 0, 0, NEEDS_ROOT,
	       "ciphers of the kernel, where it has them"),
	SOCKET("socket-xdp", AF_XDP, SOCK_RAW, 0, 1, DIFFERS, "frames past the stack"),
	RARE("socket-bluetooth", AF_BLUETOOTH, SOCK_RAW),
	RARE("socket-rxrpc", AF_RXRPC, SOCK_DGRAM),
	RARE("socket-tipc", AF_TIPC, SOCK_RDM),
	RARE("socket-kcm", AF_KCM, SOCK_DGRAM),
	RARE("socket-smc", AF_SMC, SOCK_STREAM),
	RARE("socket-can", AF_CAN, SOCK_RAW),
	RARE("socket-qipcrtr", AF_QIPCRTR, SOCK_DGRAM),
	RARE("socket-rds", AF_RDS, SOCK_SEQPACKET),
	RARE("socket-caif", AF_CAIF, SOCK_STREAM),
	RARE("socket-x25", AF_X25, SOCK_SEQPACKET),
	RARE("socket-ax25", AF_AX25, SOCK_DGRAM),
	RARE("socket-nfc", AF_NFC, SOCK_RAW),
	RARE("socket-phonet", AF_PHONET, SOCK_DGRAM),
	RARE("socket-llc", AF_LLC, SOCK_DGRAM),
	RARE("socket-key", AF_KEY, SOCK_RAW),
	{ "socketpair-tipc", NULL, W_FAMILY, NEEDS_ROOT, "a pair that is not local",
	  .run = run_pair, .a = { AF_TIPC } },
	{ "socketpair-inet", NULL, W_FAMILY, DIFFERS, "a pair that is not local",
	  .run = run_pair, .a = { AF_INET } },
};

GROUP(group_sockets, "sockets", "S0-32", probes);
