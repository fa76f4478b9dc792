/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/core/error.h"
#include "src/core/json-guard.h"
#include "src/core/json-member.h"

static void assert_refused(const char *text, gsize length, const char *reason)
{
    g_autoptr(GError) error = NULL;
    JsonObject *object = berth_json_parse_object(text, length, &error);
    if (object)
        g_error("taken: %.80s", text);
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
    if (!strstr(error->message, reason))
        g_error("%.80s: \"%s\" does not say \"%s\"", text, error->message, reason);
}

static JsonObject *assert_taken(const char *text)
{
    g_autoptr(GError) error = NULL;
    /* A copy without a NUL behind it, so that reading past the end is seen by ASan. */
    gsize length = strlen(text);
    g_autofree char *exact = g_memdup2(text, length);
    JsonObject *object = berth_json_parse_object(exact, length, &error);
    g_assert_no_error(error);
    return object;
}

static void test_good(void)
{
    g_autoptr(JsonObject) object = assert_taken(" {\"a\": [1, -2, 0, 1.5e3, true, false, null], \"b\": {\"c\": "
                                                "\"{[\\\"\\\\\\n\\u00e9\\ud83d\\ude00\"}, \"d\": {\"a\": 1}}\r\n\t ");
    g_assert_cmpint(json_array_get_int_element(json_object_get_array_member(object, "a"), 1), ==, -2);
    JsonObject *nested = json_object_get_object_member(object, "b");
    g_assert_cmpstr(json_object_get_string_member(nested, "c"), ==, "{[\"\\\né😀");

    g_autoptr(JsonObject) empty = assert_taken("{}");
    g_assert_cmpuint(json_object_get_size(empty), ==, 0);
}

static void test_numbers(void)
{
    g_autoptr(JsonObject) object = assert_taken("{\"least\": -9223372036854775808, \"most\": 9223372036854775807,"
                                                "\"unsigned\": 18446744073709551615}");
    g_assert_cmpint(json_object_get_int_member(object, "least"), ==, G_MININT64);
    g_assert_cmpint(json_object_get_int_member(object, "most"), ==, G_MAXINT64);
    g_assert_cmpint(json_object_get_int_member(object, "unsigned"), ==, -1);
}

static void test_tokens(void)
{
    static const struct {
        const char *text;
        const char *reason;
    } cases[] = {
        {"", "an object is expected"},
        {"   ", "an object is expected"},
        {"[]", "an object is expected"},
        {"1", "an object is expected"},
        {"var a = {}", "an object is expected"},
        {"{} {}", "something follows"},
        {"{}1", "something follows"},
        {"{", "not closed"},
        {"{]}", "something follows"},
        {"{]", "malformed"},
        {"{\"a\":[}", "not closed"},
        {"{\"a\"", "not closed"},
        {"{\"a\":\"b", "does not end"},
        {"{\"a\":\"b\\", "unknown escape"},
        {"/* \" */{\"a\":1}", "an object is expected"},
        {"{/* \" */\"a\":1}", "no token"},
        {"{//\n}", "no token"},
        {"{'a':1}", "no token"},
        {"{a:1}", "no token"},
        {"{\"a\":tru}", "no token"},
        {"{\"a\":nul", "no token"},
        {"{\"a\":1,}", "malformed"},
        {"{\"a\" 1}", "malformed"},
        {"{\"a\":[1 2]}", "malformed"},
        {"{\"a\":010}", "number is malformed"},
        {"{\"a\":0x10}", "no token"},
        {"{\"a\":1.}", "number is malformed"},
        {"{\"a\":1e}", "number is malformed"},
        {"{\"a\":-}", "number is malformed"},
        {"{\"a\":- 1}", "number is malformed"},
        {"{\"a\":+1}", "no token"},
        {"{\"a\":1e400}", "too large"},
        {"{\"a\":18446744073709551616}", "too large"},
        {"{\"a\":-9223372036854775809}", "too large"},
        {"{\"a\":\"\\u0000\"}", "NUL"},
        {"{\"a\":\"\\ud83d\"}", "surrogate"},
        {"{\"a\":\"\\ud83d\\u0041\"}", "surrogate"},
        {"{\"a\":\"\\ude00\"}", "surrogate"},
        {"{\"a\":\"\\u12g4\"}", "\\u escape is malformed"},
        {"{\"a\":\"\\q\"}", "unknown escape"},
        {"{\"a\":\"\n\"}", "control character"},
        {"{\"a\":1,\"b\":{},\"a\":2}", "\"a\" twice"},
        {"{\"b\":[{\"a\":1,\"a\":1}]}", "\"a\" twice"},
        {"\xef\xbb\xbf{}", "an object is expected"},
        {"{\"a\":\"\xff\"}", "UTF-8"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_refused(cases[i].text, strlen(cases[i].text), cases[i].reason);
    assert_refused("{\"a\":1}\0", 8, "NUL");
    assert_refused("{\"a\0\":1}", 8, "NUL");
}

/* {"a":[[[…]]]} of @depth levels. */
static char *nested(guint depth)
{
    GString *text = g_string_new("{\"a\":");
    for (guint i = 1; i < depth; i++)
        g_string_append_c(text, '[');
    for (guint i = 1; i < depth; i++)
        g_string_append_c(text, ']');
    g_string_append_c(text, '}');
    return g_string_free(text, FALSE);
}

static void test_depth(void)
{
    g_autofree char *deepest = nested(BERTH_JSON_DEPTH_MAX);
    g_autoptr(JsonObject) object = assert_taken(deepest);
    g_assert_nonnull(object);

    g_autofree char *deeper = nested(BERTH_JSON_DEPTH_MAX + 1);
    assert_refused(deeper, strlen(deeper), "nested too deeply");
    g_autofree char *abyss = nested(400000);
    assert_refused(abyss, strlen(abyss), "nested too deeply");

    g_autofree char *brackets = g_strnfill(1000, '[');
    g_autofree char *harmless = g_strdup_printf("{\"a\":\"%s\"}", brackets);
    g_autoptr(JsonObject) string = assert_taken(harmless);
    g_assert_nonnull(string);
}

static void test_size(void)
{
    g_autofree char *text = g_strnfill(BERTH_JSON_SIZE_MAX + 1, ' ');
    memcpy(text, "{}", 2);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) object = berth_json_parse_object(text, BERTH_JSON_SIZE_MAX, &error);
    g_assert_no_error(error);
    g_assert_nonnull(object);
    assert_refused(text, BERTH_JSON_SIZE_MAX + 1, "at most 1048576");
}

/* What is of another type than it should be, is not there. */
static void test_members(void)
{
    g_autoptr(JsonObject) object = assert_taken("{\"text\":\"a\",\"seven\":7,\"minus\":-7,\"part\":7.5,\"truth\":true,"
                                                "\"null\":null,\"list\":[7],\"object\":{\"b\":8}}");
    static const char *const all[] = {"text", "seven", "minus", "part", "truth", "null", "list", "object", "none"};
    for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
        const char *is = all[i];
        g_assert_cmpstr(berth_json_get_string(object, is), ==, g_str_equal(is, "text") ? "a" : NULL);
        g_assert_cmpint(berth_json_get_number(object, is), ==, g_str_equal(is, "seven") ? 7 : -1);
        g_assert_cmpint(berth_json_get_object(object, is) != NULL, ==, g_str_equal(is, "object"));
    }
    g_assert_cmpint(berth_json_get_number(berth_json_get_object(object, "object"), "b"), ==, 8);
    g_assert_null(berth_json_as_object(NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json-guard/good", test_good);
    g_test_add_func("/json-guard/numbers", test_numbers);
    g_test_add_func("/json-guard/tokens", test_tokens);
    g_test_add_func("/json-guard/depth", test_depth);
    g_test_add_func("/json-guard/size", test_size);
    g_test_add_func("/json-member/types", test_members);
    return g_test_run();
}
