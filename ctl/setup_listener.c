#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/setup_plan.h"
#include "lib/base/memory.h"

/* Can somebody listen at submit_to?  master(8) ends if it cannot listen where it is told to. */

/* As master(8) does it. 0 or an errno. */
static int try_address(const char *host, uint16_t port)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
	                               .ai_socktype = SOCK_STREAM};
	char service[sizeof("65535")];
	struct addrinfo *address;
	int on = 1, fd, number = 0;

	snprintf(service, sizeof(service), "%u", (unsigned)port);
	if (getaddrinfo(host, service, &hints, &address) != 0)
		return EADDRNOTAVAIL;
	fd = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, address->ai_addr, address->ai_addrlen) != 0)
		number = errno;
	if (fd >= 0)
		close(fd);
	freeaddrinfo(address);
	return number;
}

char *setup_handover_try(const struct postconf *postconf, const struct config *config)
{
	char host[ENDPOINT_HOST_SIZE];
	uint16_t port;
	int number;

	if (setup_has_handover(postconf, config) ||
	    !setup_handover_address(postconf, config, host, &port))
		return NULL;
	number = try_address(host, port);
	if (number == EADDRINUSE)
		return xasprintf(
			"submit_to of rejoinder.conf names %s port %u, and another program "
			"listens there: give submit_to a free one (if it is Postfix, by "
			"what master.cf said before: postfix reload)",
			host, (unsigned)port);
	if (number == EADDRNOTAVAIL || number == EAFNOSUPPORT)
		return xasprintf("submit_to of rejoinder.conf names %s, where nobody can listen on "
		                 "this host: %s",
		                 host, strerror(number));
	/* Whatever else it is, setup may lack a right that master(8) has. */
	return NULL;
}
