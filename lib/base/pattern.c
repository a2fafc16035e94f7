#include "lib/base/pattern.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LOCAL_PART_MAX 64 /* RFC 5321 4.5.3.1.1 */
#define DOMAIN_MAX     253
#define LABEL_MAX      63

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool domain_is_valid(const char *domain)
{
	size_t length = strlen(domain);
	size_t label = 0;
	bool has_dot = false;

	if (length == 0 || length > DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		char c = domain[i];

		if (c == '.') {
			if (label == 0 || domain[i - 1] == '-')
				return false;
			has_dot = true;
			label = 0;
			continue;
		}
		if (!is_alphanumeric(c) && !(c == '-' && label > 0))
			return false;
		if (++label > LABEL_MAX)
			return false;
	}
	if (label == 0 || domain[length - 1] == '-')
		return false;
	return has_dot || strcasecmp(domain, "localhost") == 0;
}

static bool local_part_is_valid(const char *text, size_t length)
{
	if (length == 0 || length > LOCAL_PART_MAX)
		return false;
	if (text[0] == '.' || text[length - 1] == '.')
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '.' && text[i + 1] == '.')
			return false;
		if (!is_alphanumeric(text[i]) &&
		    (text[i] == '\0' || strchr("!#$%&'*+-/=?^_`{|}~.", text[i]) == NULL))
			return false;
	}
	return true;
}

bool address_is_valid(const char *address)
{
	const char *at = strchr(address, '@');

	return at != NULL && local_part_is_valid(address, (size_t)(at - address)) &&
	       domain_is_valid(at + 1);
}

bool pattern_is_valid(const char *pattern)
{
	if (strcmp(pattern, "*") == 0)
		return true;
	if (pattern[0] == '@')
		return domain_is_valid(pattern + 1);
	if (strncmp(pattern, "*.", 2) == 0)
		return domain_is_valid(pattern + 2);
	return address_is_valid(pattern);
}

bool pattern_matches(const char *pattern, const char *address)
{
	const char *at;

	if (address == NULL || address[0] == '\0')
		return false;
	if (strcmp(pattern, "*") == 0)
		return true;
	at = strrchr(address, '@');
	if (at == NULL)
		return false;
	if (pattern[0] == '@')
		return strcasecmp(pattern, at) == 0;
	if (strncmp(pattern, "*.", 2) == 0) {
		size_t suffix = strlen(pattern + 1), domain = strlen(at + 1);

		return domain > suffix && strcasecmp(at + 1 + domain - suffix, pattern + 1) == 0;
	}
	return strcasecmp(pattern, address) == 0;
}

bool pattern_list_matches(const struct string_list *patterns, const char *address)
{
	for (size_t i = 0; i < patterns->count; i++)
		if (pattern_matches(patterns->items[i], address))
			return true;
	return false;
}

/* An address or a network; IPv4-mapped IPv6 is already IPv4. */
struct network {
	int family;
	unsigned prefix_bits;
	unsigned char bytes[16];
};

static void unmap(struct network *network)
{
	static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	if (network->family != AF_INET6 || network->prefix_bits < 96 ||
	    memcmp(network->bytes, mapped, sizeof(mapped)) != 0)
		return;
	network->family = AF_INET;
	network->prefix_bits -= 96;
	memmove(network->bytes, network->bytes + 12, 4);
	memset(network->bytes + 4, 0, 12);
}

/* The number after the slash, or -1. */
static int read_prefix(const char *text, int max)
{
	int value = 0;

	if (text[0] == '\0' || strlen(text) > 3 || (text[0] == '0' && text[1] != '\0'))
		return -1;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		value = value * 10 + (*text - '0');
	}
	return value <= max ? value : -1;
}

static bool has_bits_after_prefix(const struct network *network)
{
	for (unsigned bit = network->prefix_bits; bit < 128; bit++)
		if (network->bytes[bit / 8] & (0x80 >> bit % 8))
			return true;
	return false;
}

static int network_parse(struct network *network, const char *pattern)
{
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(pattern, '/');
	size_t length = slash != NULL ? (size_t)(slash - pattern) : strlen(pattern);
	int bits;

	*network = (struct network){0};
	if (length == 0 || length >= sizeof(host))
		return -1;
	memcpy(host, pattern, length);
	host[length] = '\0';
	network->family = strchr(host, ':') != NULL ? AF_INET6 : AF_INET;
	if (inet_pton(network->family, host, network->bytes) != 1)
		return -1;
	bits = network->family == AF_INET6 ? 128 : 32;
	if (slash != NULL)
		bits = read_prefix(slash + 1, bits);
	if (bits < 0)
		return -1;
	network->prefix_bits = (unsigned)bits;
	if (has_bits_after_prefix(network))
		return -1;
	unmap(network);
	return 0;
}

bool host_pattern_is_valid(const char *pattern)
{
	struct network network;

	return network_parse(&network, pattern) == 0;
}

static int network_of_address(struct network *network, const struct sockaddr *address)
{
	*network = (struct network){.family = address->sa_family};
	if (address->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, address, sizeof(in));
		memcpy(network->bytes, &in.sin_addr, 4);
		network->prefix_bits = 32;
		return 0;
	}
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, address, sizeof(in6));
		memcpy(network->bytes, &in6.sin6_addr, 16);
		network->prefix_bits = 128;
		unmap(network);
		return 0;
	}
	return -1;
}

bool host_pattern_matches(const char *pattern, const struct sockaddr *address)
{
	struct network network, host;
	unsigned whole, rest;

	if (address == NULL || network_of_address(&host, address) != 0 ||
	    network_parse(&network, pattern) != 0 || network.family != host.family)
		return false;
	whole = network.prefix_bits / 8;
	rest = network.prefix_bits % 8;
	if (memcmp(network.bytes, host.bytes, whole) != 0)
		return false;
	return rest == 0 || (network.bytes[whole] ^ host.bytes[whole]) >> (8 - rest) == 0;
}

bool host_list_matches(const struct string_list *patterns, const struct sockaddr *address)
{
	for (size_t i = 0; i < patterns->count; i++)
		if (host_pattern_matches(patterns->items[i], address))
			return true;
	return false;
}
