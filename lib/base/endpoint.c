#include "lib/base/endpoint.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define HOST_MAX_BYTES 253 /* RFC 1035 2.3.4, without the root's dot */
#define HOST_CHARS     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

struct scheme {
	const char *prefix;
	enum pop3_scheme scheme;
	uint16_t port;
};

static const struct scheme schemes[] = {
	{"pop3s://", POP3_SCHEME_TLS, 995},
	{"pop3://", POP3_SCHEME_STLS, 110},
	{"pop3-plain://", POP3_SCHEME_PLAIN, 110},
};

/* Names of one label too: a host of the local network. */
static bool host_is_valid(const char *host, bool is_bracketed)
{
	struct in6_addr address;

	if (is_bracketed)
		return inet_pton(AF_INET6, host, &address) == 1;
	return host[0] != '\0' && host[0] != '.' && host[0] != '-' &&
	       strspn(host, HOST_CHARS) == strlen(host) && strstr(host, "..") == NULL &&
	       host[strlen(host) - 1] != '.';
}

static int parse_port(const char *text, uint16_t *port_out)
{
	size_t digits = strspn(text, "0123456789");
	long port = strtol(text, NULL, 10);

	if (digits == 0 || digits > 5 || text[digits] != '\0' || port < 1 || port > UINT16_MAX)
		return -1;
	*port_out = (uint16_t)port;
	return 0;
}

int endpoint_parse(const char *text, uint16_t default_port, char host_out[ENDPOINT_HOST_SIZE],
                   uint16_t *port_out)
{
	bool is_bracketed = text[0] == '[';
	const char *host = text + is_bracketed;
	size_t length = strcspn(host, is_bracketed ? "]" : ":");
	const char *after = host + length;

	if (length == 0 || length > HOST_MAX_BYTES || (is_bracketed && *after++ != ']'))
		return -1;
	memcpy(host_out, host, length);
	host_out[length] = '\0';
	if (!host_is_valid(host_out, is_bracketed))
		return -1;
	*port_out = default_port;
	if (*after == '\0')
		return default_port > 0 ? 0 : -1;
	return *after == ':' ? parse_port(after + 1, port_out) : -1;
}

int endpoint_parse_pop3(const char *url, enum pop3_scheme *scheme_out,
                        char host_out[ENDPOINT_HOST_SIZE], uint16_t *port_out)
{
	char authority[ENDPOINT_HOST_SIZE + 8];
	const struct scheme *scheme = schemes;
	size_t length;

	while (strncmp(url, scheme->prefix, strlen(scheme->prefix)) != 0)
		if (++scheme == schemes + sizeof(schemes) / sizeof(schemes[0]))
			return -1;
	url += strlen(scheme->prefix);
	length = strcspn(url, "/");
	if (length >= sizeof(authority) || (url[length] == '/' && url[length + 1] != '\0'))
		return -1;
	memcpy(authority, url, length);
	authority[length] = '\0';
	*scheme_out = scheme->scheme;
	return endpoint_parse(authority, scheme->port, host_out, port_out);
}
