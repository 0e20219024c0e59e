/* textmill VERB …: the one program. */
#include "verbs.h"

#include <signal.h>

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of write(), not a death */
    return args_run(argc, argv);
}
