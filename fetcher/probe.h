#ifndef REJOINDER_FETCHER_PROBE_H
#define REJOINDER_FETCHER_PROBE_H

/*
 * `rejoinder account test`: does what an account says work?  Signs in to its inbox
 * and its relay, lists the inbox, and looks at the files that it needs; retrieves,
 * deletes, sends and records nothing.  It is done here and not in the control
 * command because the fetcher knows how to sign in, and who polls the inbox now.
 *
 * What is found goes to standard output, a line a check as soon as it is made:
 *     state TAB check TAB text TAB advice LF
 * state: ok, failed, warning or none (there is nothing to check); check: account, password,
 * pop3, certificate, inbox, relay, transport_map; advice: what to do, or empty.  No tab
 * or other control character stands inside one.
 */

/* Returns the exit code: 0, EXIT_PROBE_FAILED, EX_USAGE (no such account) or EX_CONFIG. */
#define EXIT_PROBE_FAILED 1
int probe(const char *config_path, const char *name);

#endif
