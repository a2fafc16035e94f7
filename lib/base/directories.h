#ifndef REJOINDER_BASE_DIRECTORIES_H
#define REJOINDER_BASE_DIRECTORIES_H

/*
 * Where a program looks when the configuration does not say: the Makefile's SYSCONFDIR,
 * LOCALSTATEDIR and SOCKETDIR.  Included by .c files only: the Makefile finds them,
 * and compiles them again when one of the directories changes.
 */

#ifndef REJOINDER_SYSCONFDIR
#define REJOINDER_SYSCONFDIR "/etc"
#endif
#ifndef REJOINDER_LOCALSTATEDIR
#define REJOINDER_LOCALSTATEDIR "/var"
#endif
#ifndef REJOINDER_SOCKETDIR
#define REJOINDER_SOCKETDIR REJOINDER_LOCALSTATEDIR "/spool/postfix/rejoinder"
#endif

#define CONFIG_DEFAULT_PATH REJOINDER_SYSCONFDIR "/rejoinder/rejoinder.conf"
#define STATE_DIRECTORY     REJOINDER_LOCALSTATEDIR "/lib/rejoinder"

#endif
