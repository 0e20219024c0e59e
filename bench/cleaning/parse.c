/* parse FILE...: pages a second of CPU time that libxml2 alone parses into a tree, best of three
 * rounds: what the speed of extraction is measured by. */
#include <libxml/HTMLparser.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tm_base.h"

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    double best = 0;
    for (int round = 0; round < 3; round++) {
        double seconds = 0;
        for (int i = 1; i < argc; i++) {
            struct tm_buf page = {0};
            if (tm_read_file(argv[i], (size_t)64 << 20, &page, NULL) != TM_OK)
                return 1;
            double start = cpu_seconds();
            xmlFreeDoc(htmlReadMemory(page.data, (int)page.len, NULL, "utf-8",
                                      HTML_PARSE_RECOVER | HTML_PARSE_NOERROR |
                                          HTML_PARSE_NOWARNING | HTML_PARSE_NONET |
                                          HTML_PARSE_COMPACT));
            seconds += cpu_seconds() - start;
            tm_buf_finish(&page);
        }
        best = TM_MAX(best, (argc - 1) / seconds);
    }
    printf("%.1f\n", best);
    return 0;
}
