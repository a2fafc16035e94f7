#ifndef REJOINDER_CTL_SETUP_PLAN_H
#define REJOINDER_CTL_SETUP_PLAN_H

#include "ctl/setup.h"
#include "lib/base/endpoint.h"

/*
 * What the parts of the plan share: main.cf (setup_plan.c, setup_milter.c), the services
 * that are there in master.cf (setup_services.c), those of our own (setup_own_services.c)
 * and whether somebody else is in their place (setup_listener.c).
 */

struct plan_work {
	const struct postconf *postconf;
	const struct config *config;
	const struct setup_facts *facts;
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

/* Where the milter is, as Postfix spells it: work->endpoints. 0 or -1 with *err. */
int setup_find_endpoints(struct plan_work *work, struct error *err) MUST_CHECK;
/* rejoinder_milter of main.cf. */
void setup_plan_milter(struct plan_work *work);
/* The path of a socket for Postfix, a heap string; NULL with *err. key: what names it. */
char *setup_socket_path(const struct postconf *postconf, const char *key, const char *path,
                        struct error *err);

bool setup_services_need_submission(const struct plan_work *work);
/* Everything about master.cf. 0 or -1 with *err. */
int setup_plan_services(struct plan_work *work, struct error *err) MUST_CHECK;
/* An -o of the service with that index. */
struct setup_edit *setup_set_option(struct plan_work *work, size_t i, const char *parameter,
                                    const char *value, const char *reason);
/* The hand-over and the relays. 0 or -1 with *err. */
int setup_plan_own_services(struct plan_work *work, struct error *err) MUST_CHECK;

/* Is there a service where submit_to is? */
bool setup_has_handover(const struct postconf *postconf, const struct config *config);
/* Where the listener of submit_to is to be, an address; false if that is no matter of this host. */
bool setup_handover_address(const struct postconf *postconf, const struct config *config,
                            char host_out[ENDPOINT_HOST_SIZE], uint16_t *port_out);
/* Why no listener can be made there, a heap string; NULL if one can. Tries it. */
char *setup_handover_try(const struct postconf *postconf, const struct config *config);

#endif
