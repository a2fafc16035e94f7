#ifndef REJOINDER_MAIL_PROGRAM_H
#define REJOINDER_MAIL_PROGRAM_H

#include <stdbool.h>

/*
 * Is it an address (local@domain) of which no person reads or writes the mail: of a program,
 * a list, or who sends bounces?  By its local part (RFC 3834 2, RFC 2142, and what is seen).
 */
bool address_is_program(const char *address);

#endif
