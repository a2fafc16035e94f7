#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "milter/edits.h"

static void add(struct header *header, const char *name, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		header_add(header, name, "x", 1);
}

static void expect(const struct edit_list *edits, size_t at, enum edit_kind kind, const char *name,
                   unsigned index)
{
	assert_true(at < edits->count);
	assert_int_equal(edits->items[at].kind, kind);
	assert_string_equal(edits->items[at].name, name);
	assert_int_equal(edits->items[at].index, index);
}

static void one_field_comes_of_none_or_many(void **state)
{
	struct edit_list edits = {0};
	struct header header;
	(void)state;

	header_init(&header);
	edit_make_field(&edits, &header, "Reply-To", NULL);
	assert_int_equal(edits.count, 0);
	edit_make_field(&edits, &header, "Reply-To", "a@b.test");
	assert_int_equal(edits.count, 1);
	expect(&edits, 0, EDIT_INSERT_FIELD, "Reply-To", 1);
	edit_list_release(&edits);

	add(&header, "reply-to", 3);
	edit_make_field(&edits, &header, "Reply-To", "a@b.test");
	assert_int_equal(edits.count, 3);
	expect(&edits, 0, EDIT_SET_FIELD, "Reply-To", 1);
	assert_string_equal(edits.items[0].value, "a@b.test");
	expect(&edits, 1, EDIT_DELETE_FIELD, "Reply-To", 3);
	expect(&edits, 2, EDIT_DELETE_FIELD, "Reply-To", 2);
	edit_list_release(&edits);

	edit_make_field(&edits, &header, "Reply-To", NULL);
	assert_int_equal(edits.count, 2);
	expect(&edits, 0, EDIT_DELETE_FIELD, "Reply-To", 3);
	edit_list_release(&edits);
	header_release(&header);
}

/* Of names that alternate each goes from its last to its first. */
static void ours_are_deleted_from_the_end(void **state)
{
	struct edit_list edits = {0};
	struct header header;
	(void)state;

	header_init(&header);
	add(&header, "Rejoinder-A", 1);
	add(&header, "Subject", 1);
	add(&header, "Rejoinder-B", 1);
	add(&header, "REJOINDER-a", 1);
	edit_delete_ours(&edits, &header);
	assert_int_equal(edits.count, 3);
	expect(&edits, 0, EDIT_DELETE_FIELD, "REJOINDER-a", 2);
	expect(&edits, 1, EDIT_DELETE_FIELD, "Rejoinder-B", 1);
	expect(&edits, 2, EDIT_DELETE_FIELD, "Rejoinder-A", 1);
	edit_list_release(&edits);
	header_release(&header);
}

/* The list stays short, and the deletions at the beginning are those that are done. */
static void fields_without_end_are_not_all_deleted(void **state)
{
	struct edit_list edits = {0};
	struct header header;
	(void)state;

	header_init(&header);
	add(&header, "Delivered-To", 100000);
	edit_delete_fields(&edits, &header, "Delivered-To");
	assert_int_equal(edits.count, EDIT_DELETIONS_MAX);
	expect(&edits, 0, EDIT_DELETE_FIELD, "Delivered-To", EDIT_DELETIONS_MAX);
	expect(&edits, EDIT_DELETIONS_MAX - 1, EDIT_DELETE_FIELD, "Delivered-To", 1);
	edit_list_release(&edits);
	edit_make_field(&edits, &header, "Delivered-To", "x");
	assert_int_equal(edits.count, EDIT_DELETIONS_MAX + 1);
	expect(&edits, 1, EDIT_DELETE_FIELD, "Delivered-To", EDIT_DELETIONS_MAX + 1);
	expect(&edits, EDIT_DELETIONS_MAX, EDIT_DELETE_FIELD, "Delivered-To", 2);
	edit_list_release(&edits);
	header_release(&header);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_field_comes_of_none_or_many),
		cmocka_unit_test(ours_are_deleted_from_the_end),
		cmocka_unit_test(fields_without_end_are_not_all_deleted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
