/* Folders below a root: nothing leads out of it. */
#include "world.h"
#include "tm_folders.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int setup(void **state)
{
    static struct world w;
    world_init(&w);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    world_finish(*state);
    return 0;
}

static void makes_what_is_missing(void **state)
{
    struct world *w = *state;
    TM_CLEANUP(tm_folders_destroyp) struct tm_folders *fs = NULL;
    struct tm_folder *folder;
    const char *name;
    struct tm_err err = {0};
    assert_int_equal(tm_folders_create(world_path(w, "new/root"), &fs, &err), TM_OK);
    assert_int_equal(tm_folders_get(fs, "a/b", false, &folder, &err), TM_NOTFOUND);
    err = (struct tm_err){0};
    assert_int_equal(tm_folders_of(fs, "a/b/c.txt", true, &folder, &name, &err), TM_OK);
    assert_string_equal(name, "c.txt");
    assert_int_equal(faccessat(folder->fd, ".", F_OK, 0), 0);
    assert_true(world_has(w, "new/root/a/b"));
    folder->dirty = true;
    assert_int_equal(tm_folders_sync(fs, &err), TM_OK);
    assert_int_equal(tm_folders_get(fs, "", false, &folder, &err), TM_OK);
}

static void never_leaves_the_root(void **state)
{
    struct world *w = *state;
    TM_CLEANUP(tm_folders_destroyp) struct tm_folders *fs = NULL;
    struct tm_folder *folder;
    assert_int_equal(mkdir(world_path(w, "outside"), 0777), 0);
    assert_int_equal(tm_folders_create(world_path(w, "root"), &fs, NULL), TM_OK);
    assert_int_equal(symlink("../outside", world_path(w, "root/link")), 0);
    static const char *const bad[] = {"..", "a/../..", "../outside", "link", "link/sub", "a/.."};
    for (size_t i = 0; i < TM_COUNTOF(bad); i++)
        if (tm_folders_get(fs, bad[i], true, &folder, NULL) == TM_OK)
            fail_msg("%s was opened", bad[i]);
    assert_false(world_has(w, "outside/sub"));
    /* An absolute path counts from the root. */
    assert_int_equal(tm_folders_get(fs, "/abs", true, &folder, NULL), TM_OK);
    assert_true(world_has(w, "root/abs"));
}

/* More folders than are kept open, all of them right all the time. */
static void many_folders(void **state)
{
    struct world *w = *state;
    TM_CLEANUP(tm_folders_destroyp) struct tm_folders *fs = NULL;
    struct tm_folder *folder;
    struct stat a, b;
    assert_int_equal(tm_folders_create(world_path(w, "root"), &fs, NULL), TM_OK);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 100; i++) {
            char dir[32], path[64];
            snprintf(dir, sizeof dir, "d%d", i);
            snprintf(path, sizeof path, "root/%s", dir);
            assert_int_equal(tm_folders_get(fs, dir, true, &folder, NULL), TM_OK);
            folder->dirty = true;
            assert_int_equal(fstat(folder->fd, &a), 0);
            assert_int_equal(stat(world_path(w, path), &b), 0);
            assert_int_equal(a.st_ino, b.st_ino);
        }
    assert_int_equal(tm_folders_sync(fs, NULL), TM_OK);
}

static void forgets_folders_that_were_replaced(void **state)
{
    struct world *w = *state;
    TM_CLEANUP(tm_folders_destroyp) struct tm_folders *fs = NULL;
    struct tm_folder *folder;
    struct stat a, b;
    assert_int_equal(tm_folders_create(world_path(w, "root"), &fs, NULL), TM_OK);
    assert_int_equal(tm_folders_get(fs, "d", true, &folder, NULL), TM_OK);
    assert_int_equal(rename(world_path(w, "root/d"), world_path(w, "root/old")), 0);
    assert_int_equal(mkdir(world_path(w, "root/d"), 0777), 0);
    tm_folders_forget(fs);
    assert_int_equal(tm_folders_get(fs, "d", false, &folder, NULL), TM_OK);
    assert_int_equal(fstat(folder->fd, &a), 0);
    assert_int_equal(stat(world_path(w, "root/d"), &b), 0);
    assert_int_equal(a.st_ino, b.st_ino);
}

static void says_what_is_wrong(void **state)
{
    struct world *w = *state;
    struct tm_folders *fs = NULL;
    struct tm_err err = {0};
    world_puts(w, "file", "x");
    assert_int_not_equal(tm_folders_create(world_path(w, "file"), &fs, &err), TM_OK);
    assert_non_null(strstr(err.text, "file"));
    err = (struct tm_err){0};
    assert_int_not_equal(tm_folders_create(world_path(w, "file/below"), &fs, &err), TM_OK);
    assert_non_null(strstr(err.text, "file/below"));
    assert_null(fs);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(makes_what_is_missing), T(never_leaves_the_root),
        T(many_folders),          T(forgets_folders_that_were_replaced),
        T(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
