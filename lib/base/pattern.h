#ifndef REJOINDER_BASE_PATTERN_H
#define REJOINDER_BASE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "lib/base/list.h"

/*
 * The patterns of the configuration: which addresses, which hosts.
 *
 * An address pattern is one of
 *     user@company.com   that address (a +detail of the address is no part of it: no match)
 *     @company.com       every address of that domain
 *     *.company.com      every address of every subdomain, not of the domain itself
 *     *                  everybody
 * Case does not count, neither in the domain nor in the local part.
 *
 * A host pattern is an IPv4 or IPv6 address, or a network in CIDR form.
 * IPv4-mapped IPv6 addresses are compared as IPv4.
 */

bool pattern_is_valid(const char *pattern);
bool pattern_matches(const char *pattern, const char *address);
bool pattern_list_matches(const struct string_list *patterns, const char *address);

/* A domain name as the configuration may name it: LDH labels, 1 to 253 bytes, a dot inside or "localhost". */
bool domain_is_valid(const char *domain);
/* An address as the configuration may name it: dot-atom local part of at most 64 bytes, valid domain. */
bool address_is_valid(const char *address);

bool host_pattern_is_valid(const char *pattern);
bool host_pattern_matches(const char *pattern, const struct sockaddr *address);
bool host_list_matches(const struct string_list *patterns, const struct sockaddr *address);

#endif
