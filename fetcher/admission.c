#include "fetcher/admission.h"

#include <unistd.h>

#include "fetcher/local_socket.h"
#include "lib/base/log.h"
#include "lib/store/store.h"

void admission_set_user(struct admission *admission, const char *postfix_user)
{
	admission->has_postfix_user = local_socket_user(postfix_user, &admission->postfix_uid) == 1;
}

bool admission_check(struct admission *admission, int connection)
{
	unsigned count;
	uid_t uid;
	pid_t pid;

	if (local_socket_peer(connection, &uid, &pid) != 0)
		return false;
	if (uid == 0 || uid == geteuid() ||
	    (admission->has_postfix_user && uid == admission->postfix_uid))
		return true;
	count = seldom_due(&admission->refused, store_clock_ms());
	if (count > 0)
		log_warning("password service: refused user id %ld, process %ld (%u since the "
		            "last such line); only postfix_user may ask",
		            (long)uid, (long)pid, count);
	return false;
}
