#include "lib/base/civil.h"

#include <stdbool.h>

/* 400 years have a whole number of days and weeks; counted from 1 March, a leap day comes last. */
#define ERA_YEARS    400
#define ERA_DAYS     146097
#define DAYS_TO_1970 719468 /* from 0000-03-01 */

static int64_t floor_divide(int64_t value, int64_t by)
{
	return value / by - (value % by < 0);
}

int64_t civil_to_days(int year, int month, int day)
{
	int64_t shifted = month > 2 ? year : (int64_t)year - 1;
	int64_t era = floor_divide(shifted, ERA_YEARS);
	int64_t year_of_era = shifted - era * ERA_YEARS;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * ERA_DAYS + day_of_era - DAYS_TO_1970;
}

struct civil civil_from_days(int64_t days)
{
	int64_t shifted = days + DAYS_TO_1970;
	int64_t era = floor_divide(shifted, ERA_DAYS);
	int64_t day_of_era = shifted - era * ERA_DAYS;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
	                       day_of_era / (ERA_DAYS - 1)) /
	                      365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month = (5 * day_of_year + 2) / 153;
	struct civil civil = {.day = (int)(day_of_year - (153 * month + 2) / 5 + 1),
	                      .month = (int)(month < 10 ? month + 3 : month - 9)};

	civil.year = (int)(year_of_era + era * ERA_YEARS + (civil.month <= 2));
	return civil;
}

int civil_weekday(int64_t days)
{
	return (int)(((days + 3) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
}

int civil_month_length(int year, int month)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return lengths[month - 1] + (month == 2 && is_leap);
}

int64_t civil_day_of(int64_t seconds)
{
	return floor_divide(seconds, CIVIL_DAY_S);
}
