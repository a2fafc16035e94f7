#ifndef REJOINDER_BASE_CIVIL_H
#define REJOINDER_BASE_CIVIL_H

#include <stdint.h>

/*
 * Dates of the Gregorian calendar as days since 1970-01-01, without the C
 * library's zone.  Years from -10000 to 10000.
 */

#define CIVIL_DAY_S 86400

struct civil {
	int year, month, day; /* month and day from 1 */
};

int64_t civil_to_days(int year, int month, int day);
struct civil civil_from_days(int64_t days);
/* 0 Monday ... 6 Sunday. */
int civil_weekday(int64_t days);
/* How many days the month has. */
int civil_month_length(int year, int month);
/* The day that seconds since 1970 fall on, also below 0. */
int64_t civil_day_of(int64_t seconds);

#endif
