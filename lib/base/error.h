#ifndef REJOINDER_BASE_ERROR_H
#define REJOINDER_BASE_ERROR_H

/*
 * How a function says why it failed.  The caller owns a struct error on its
 * stack; kinds are what a caller decides on, the text is for people and is
 * complete: verb, object, cause.  Library code never logs, it returns these.
 */

enum error_kind {
	ERROR_NONE = 0,
	ERROR_TEMPORARY, /* 4xx: the same call may succeed later */
	ERROR_FULL,      /* temporary, because the disk is full: 452 4.3.1 */
	ERROR_PERMANENT, /* 5xx: the same call will always fail */
	ERROR_UNCERTAIN, /* it may have happened: never blindly again */
	ERROR_CONFIG,    /* the admin must change something */
	ERROR_CORRUPT,   /* stored data is not what was written */
};

struct error {
	enum error_kind kind;
	char text[256];
};

#define MUST_CHECK                    __attribute__((warn_unused_result))
#define PRINTF_LIKE(text_at, args_at) __attribute__((format(printf, text_at, args_at)))

/*
 * Fill *err (which may be NULL) and return -1, so that a function can end with
 * `return error_set(err, ...)`.  Text over 255 bytes is cut.
 */
int error_set(struct error *err, enum error_kind kind, const char *format, ...) PRINTF_LIKE(3, 4);

/* Put "prefix: " before the text that *err has. Returns -1. */
int error_prefix(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
