#ifndef REJOINDER_BASE_OPTION_VALUE_H
#define REJOINDER_BASE_OPTION_VALUE_H

#include "lib/base/alert_level.h"
#include "lib/base/calendar.h"
#include "lib/base/option.h"

/*
 * How option.c reads and writes values that are numbers or begin with one; not for
 * others.  A reader returns 0, or -1 with err->text `found "x", expected y`.
 */

/* Fill err with `found "value", expected what`; a long value is shown in part. Returns -1. */
int option_refuse(struct error *err, const char *value, const char *expected);

int option_set_duration(const struct option *option, int64_t *place, const char *value,
                        struct error *err);
int option_set_size(const struct option *option, int64_t *place, const char *value,
                    struct error *err);
int option_set_number(const struct option *option, int64_t *place, const char *value,
                      struct error *err);
int option_set_choice(const struct option *option, int *place, const char *value,
                      struct error *err);
int option_set_alert(const struct option *option, struct alert_levels *levels, const char *value,
                     struct error *err);
int option_set_warning(const struct option *option, int64_t *place, const char *value,
                       struct error *err);
int option_set_repeat(const struct option *option, struct alert_repeat *place, const char *value,
                      struct error *err);
int option_set_digest(struct alert_digest *place, const char *value, struct error *err);

/* As one would write them, in the largest unit that fits. Levels stand one a line. */
void option_format_duration(const struct option *option, int64_t value, struct buffer *out);
void option_format_size(int64_t value, struct buffer *out);
void option_format_alerts(const struct option *option, const struct alert_levels *levels,
                          struct buffer *out);
void option_format_warning(const struct option *option, int64_t value, struct buffer *out);
void option_format_repeat(const struct option *option, const struct alert_repeat *repeat,
                          struct buffer *out);
void option_format_digest(const struct alert_digest *digest, struct buffer *out);
void option_format_intervals(const struct calendar_day *day, struct buffer *out);
void option_format_holidays(const struct calendar *calendar, struct buffer *out);

#endif
