/* SPDX-License-Identifier: MIT */
/*
 * caller.c - a program that makes the socket calls it is told to make, and
 * prints their results.
 *
 * A line in is a call:
 *
 *   connect|sendmsg|bind SOCKET-FAMILY ADDRESS-FAMILY PROTO ADDRESS PORT UID GID COMM
 *     SOURCE-ADDRESS SOURCE-PORT MARK ON-LO
 *
 * all numbers, but the addresses and COMM, which are hexadecimal bytes ("-": no
 * comm, not bound to an address).  The line "end" ends a batch.  Then a line out is what became of a call:
 *
 *   ERRNO KERNEL-ADDRESS KERNEL-PORT LOCAL-ADDRESS LOCAL-PORT PEER-ADDRESS PEER-PORT OWN-ADDRESS OWN-PORT
 *
 * first where the kernel's own tables say that the socket is connected, and
 * bound, then what getpeername says, then what getsockname says; "-" and 0:
 * nothing.  The line "end" ends them.
 *
 * TCP connects in repair mode, so that it is connected without a handshake.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_CALLS      512
#define LOOPBACK_DEVICE 1 /* the scope of link-local addresses */

struct endpoint {
	bool known;
	unsigned char addr[16];
	unsigned int port;
};

struct call {
	int fd;
	int error;
	ino_t inode;
	struct endpoint kernel, local, peer, own;
};

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* "-" is no bytes. */
static void read_hex(const char *text, unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size && *text != '-' && text[2 * i]; i++)
		if (sscanf(text + 2 * i, "%2hhx", &bytes[i]) != 1)
			die("caller: bytes");
}

/* --- Sockets ------------------------------------------------------------------ */

static socklen_t make_address(int family, const unsigned char addr[16], unsigned int port,
			      struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (family == AF_INET6) {
		*v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
					    .sin6_port = htons((uint16_t)port),
					    .sin6_scope_id = LOOPBACK_DEVICE};
		memcpy(&v6->sin6_addr, addr, 16);
		return sizeof(*v6);
	}
	v4->sin_family = (sa_family_t)family;
	v4->sin_port = htons((uint16_t)port);
	memcpy(&v4->sin_addr, addr + 12, 4);
	return sizeof(*v4);
}

static void read_address(const struct sockaddr_storage *from, struct endpoint *endpoint)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;

	endpoint->known = true;
	if (from->ss_family == AF_INET6) {
		memcpy(endpoint->addr, &v6->sin6_addr, 16);
		endpoint->port = ntohs(v6->sin6_port);
		return;
	}
	memcpy(endpoint->addr, mapped, 12);
	memcpy(endpoint->addr + 12, &v4->sin_addr, 4);
	endpoint->port = ntohs(v4->sin_port);
}

static int make_socket(int family, int proto)
{
	bool stream = proto == IPPROTO_TCP || proto == IPPROTO_MPTCP;
	int fd = socket(family, (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, proto);
	int on = 1;

	if (fd < 0)
		die("caller: socket");
	if (proto == IPPROTO_TCP && setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)))
		die("caller: TCP_REPAIR");
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) ||
	    setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)))
		die("caller: options");
	if (!stream && setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)))
		die("caller: SO_BROADCAST");
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		die("caller: SO_REUSEADDR");
	return fd;
}

/* Only the real ids, which the policy is about: the effective ones keep the privileges. */
static void become(unsigned int uid, unsigned int gid, const char *comm_hex)
{
	char comm[16] = "";

	read_hex(comm_hex, (unsigned char *)comm, sizeof(comm) - 1);
	if (setresgid(gid, (gid_t)-1, (gid_t)-1) || setresuid(uid, (uid_t)-1, (uid_t)-1))
		die("caller: ids");
	if (prctl(PR_SET_NAME, comm))
		die("caller: name");
}

/* What rules may ask of a socket: where it is bound, its mark, its device.  0, or an errno. */
static int prepare(int fd, int family, const char *source_hex, unsigned int port, unsigned int mark,
		   int on_lo)
{
	unsigned char addr[16] = {0};
	struct sockaddr_storage address;
	socklen_t length;

	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) ||
	    (on_lo && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3)))
		die("caller: mark and device");
	if (*source_hex == '-' && !port)
		return 0;
	read_hex(source_hex, addr, sizeof(addr));
	length = make_address(family, addr, port, &address);
	return bind(fd, (struct sockaddr *)&address, length) ? errno : 0;
}

static void make_call(const char *line, struct call *call)
{
	int on_lo, socket_family, address_family, proto;
	char op[8], addr_hex[33], comm_hex[33], source_hex[33];
	unsigned int port, uid, gid, source_port, mark;
	unsigned char addr[16] = {0};
	struct sockaddr_storage address;
	socklen_t length;
	struct stat status;

	if (sscanf(line, "%7s %d %d %d %32s %u %u %u %32s %32s %u %u %d", op, &socket_family,
		   &address_family, &proto, addr_hex, &port, &uid, &gid, comm_hex, source_hex,
		   &source_port, &mark, &on_lo) != 13)
		die("caller: a line");
	read_hex(addr_hex, addr, sizeof(addr));
	become(uid, gid, comm_hex);
	*call = (struct call){.fd = make_socket(socket_family, proto)};
	call->error = prepare(call->fd, socket_family, source_hex, source_port, mark, on_lo);
	length = make_address(address_family, addr, port, &address);
	if (call->error) {
		; /* the answer says that */
	} else if (!strcmp(op, "sendmsg")) {
		if (sendto(call->fd, "x", 1, 0, (struct sockaddr *)&address, length) < 0)
			call->error = errno;
	} else if (!strcmp(op, "bind")) {
		if (bind(call->fd, (struct sockaddr *)&address, length))
			call->error = errno;
	} else if (connect(call->fd, (struct sockaddr *)&address, length)) {
		call->error = errno;
	}
	length = sizeof(address);
	if (!getpeername(call->fd, (struct sockaddr *)&address, &length))
		read_address(&address, &call->peer);
	length = sizeof(address);
	if (!getsockname(call->fd, (struct sockaddr *)&address, &length))
		read_address(&address, &call->own);
	if (fstat(call->fd, &status))
		die("caller: fstat");
	call->inode = status.st_ino;
}

/* --- The kernel's tables ------------------------------------------------------- */

/* An address there is the hexadecimal of each of its words as a number. */
static void read_words(const char *hex, unsigned char addr[16])
{
	size_t count = strlen(hex) / 8;

	memcpy(addr, mapped, 12);
	for (size_t i = 0; i < count; i++) {
		unsigned int word;

		sscanf(hex + 8 * i, "%8x", &word);
		memcpy(addr + 16 - 4 * count + 4 * i, &word, 4);
	}
}

static void read_table(const char *path, struct call *calls, int count)
{
	FILE *file = fopen(path, "r");
	char line[512], local[33], hex[33];
	unsigned int local_port, port;
	unsigned long inode;

	if (!file)
		die(path);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line,
			   "%*d: %32[0-9A-F]:%x %32[0-9A-F]:%x %*x %*x:%*x %*x:%*x %*x %*u %*d %lu",
			   local, &local_port, hex, &port, &inode) != 5)
			continue;
		for (int i = 0; i < count; i++) {
			if (calls[i].inode != inode)
				continue;
			calls[i].kernel = (struct endpoint){.known = true, .port = port};
			calls[i].local = (struct endpoint){.known = true, .port = local_port};
			read_words(hex, calls[i].kernel.addr);
			read_words(local, calls[i].local.addr);
		}
	}
	fclose(file);
}

static void print_endpoint(const struct endpoint *endpoint)
{
	putchar(' ');
	for (int i = 0; endpoint->known && i < 16; i++)
		printf("%02x", endpoint->addr[i]);
	printf("%s %u", endpoint->known ? "" : "-", endpoint->port);
}

static void finish(struct call *calls, int count)
{
	read_table("/proc/self/net/udp", calls, count);
	read_table("/proc/self/net/udp6", calls, count);
	read_table("/proc/self/net/tcp", calls, count);
	read_table("/proc/self/net/tcp6", calls, count);
	for (int i = 0; i < count; i++) {
		printf("%d", calls[i].error);
		print_endpoint(&calls[i].kernel);
		print_endpoint(&calls[i].local);
		print_endpoint(&calls[i].peer);
		print_endpoint(&calls[i].own);
		putchar('\n');
		close(calls[i].fd);
	}
	puts("end");
	fflush(stdout);
}

int main(void)
{
	static struct call calls[MOST_CALLS];
	char line[256];
	int count = 0;

	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "end\n")) {
			finish(calls, count);
			count = 0;
		} else if (count < MOST_CALLS) {
			make_call(line, &calls[count++]);
		}
	}
	return 0;
}
