#ifndef REJOINDER_BASE_DAEMON_H
#define REJOINDER_BASE_DAEMON_H

/*
 * How a daemon begins.  The command line of one that has no other options is
 * -c FILE (--config), -h (--help), -V (--version).  Stands apart since getopt.h and option.h both
 * have a struct option.
 */

/*
 * Read it. Returns -1 to go on with *config_path_out (borrowed from argv, or the
 * default), else the exit status: help or version was printed, or usage to stderr.
 */
int daemon_read_arguments(int argc, char **argv, const char *program, const char **config_path_out);

/*
 * Leave no core file behind, here and in the programs that are started: a daemon
 * holds keys and passwords.  To be called first.
 */
void daemon_forbid_core_files(void);

#endif
