#include "lib/conversation/cap.h"

static const struct cap caps[] = {
	{10, CAP_SHORT_S, true},
	{100, CAP_LONG_S, true},
	{60, CAP_SHORT_S, false},
	{CAP_MESSAGES_MAX, CAP_LONG_S, false},
};

const struct cap *cap_passed(const struct cap_counts *counts)
{
	const int64_t found[] = {counts->in_conversation_short, counts->in_conversation_long,
	                         counts->of_sender_short, counts->of_sender_long};

	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++)
		if (found[i] >= caps[i].messages)
			return &caps[i];
	return NULL;
}

const struct cap *cap_of(int64_t messages)
{
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++)
		if (caps[i].messages == messages)
			return &caps[i];
	return NULL;
}
