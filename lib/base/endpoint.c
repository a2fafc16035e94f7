#include "lib/base/endpoint.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define HOST_MAX_BYTES 253 /* RFC 1035 2.3.4, without the root's dot */
#define HOST_CHARS     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

struct scheme {
	const char *prefix;
	int scheme; /* of the enum that the table is for */
	uint16_t port;
};

static const struct scheme pop3_schemes[] = {
	{"pop3s://", POP3_SCHEME_TLS, 995},
	{"pop3://", POP3_SCHEME_STLS, 110},
	{"pop3-plain://", POP3_SCHEME_PLAIN, 110},
	{NULL},
};

static const struct scheme relay_schemes[] = {
	{"smtp://", RELAY_SCHEME_STARTTLS, 587},
	{"smtps://", RELAY_SCHEME_TLS, 465},
	{NULL},
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

/* scheme://host[:port][/] with a scheme of the table. */
static int parse_url(const char *url, const struct scheme *scheme, int *scheme_out,
                     char host_out[ENDPOINT_HOST_SIZE], uint16_t *port_out)
{
	char authority[ENDPOINT_HOST_SIZE + 8];
	size_t length;

	while (strncmp(url, scheme->prefix, strlen(scheme->prefix)) != 0)
		if ((++scheme)->prefix == NULL)
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

int endpoint_parse_pop3(const char *url, enum pop3_scheme *scheme_out,
                        char host_out[ENDPOINT_HOST_SIZE], uint16_t *port_out)
{
	int scheme;

	if (parse_url(url, pop3_schemes, &scheme, host_out, port_out) != 0)
		return -1;
	*scheme_out = (enum pop3_scheme)scheme;
	return 0;
}

int endpoint_parse_relay(const char *url, enum relay_scheme *scheme_out,
                         char host_out[ENDPOINT_HOST_SIZE], uint16_t *port_out)
{
	int scheme;

	if (parse_url(url, relay_schemes, &scheme, host_out, port_out) != 0)
		return -1;
	*scheme_out = (enum relay_scheme)scheme;
	return 0;
}
