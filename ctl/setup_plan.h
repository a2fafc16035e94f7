#ifndef REJOINDER_CTL_SETUP_PLAN_H
#define REJOINDER_CTL_SETUP_PLAN_H

#include "ctl/setup.h"

/* What the parts of the plan share: main.cf (setup_plan.c) and master.cf (setup_services.c). */

struct plan_work {
	const struct postconf *postconf;
	const struct config *config;
	struct setup_plan *plan;
	struct string_list
		endpoints;     /* of our milter, as Postfix may spell it; the first is ours */
	char *others;          /* smtpd_milters without our milter */
	bool needs_submission; /* something refers to submission_milters */
	bool has_relay;
};

/* Of main.cf, "" if it does not stand there. */
const char *setup_own(const struct plan_work *work, const char *parameter);
struct setup_edit *setup_set_main(struct plan_work *work, const char *parameter, const char *value,
                                  const char *reason);

/* Is our milter in a list, by itself or by the lists that it names? */
bool setup_has_ours(const struct plan_work *work, const char *list);

bool setup_services_need_submission(const struct plan_work *work);
/* Everything about master.cf. 0 or -1 with *err. */
int setup_plan_services(struct plan_work *work, struct error *err) MUST_CHECK;

#endif
