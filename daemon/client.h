/* GET from the status server of a running pipeline, for `top` and `tap`. One thread. */
#ifndef CLIENT_H
#define CLIENT_H

#include "args.h"

enum { CLIENT_ADDRESS_MOST = 256 };

/* Where the server of the command line's pipeline is: the operand, else http.listen of -c, else
 * the default. EXIT_USAGE, EXIT_CONFIG after a message. */
enum exit_code client_address(const struct args *a, char out[CLIENT_ADDRESS_MOST]);

struct client; /* a connection that is used again */

/* address: as http.listen has it. token: NULL, or sent along. */
enum tm_status client_create(const char *address, const char *token, struct client **ret_client,
                             struct tm_err *err);
void client_destroyp(struct client **c);

/* Gives the body of path to write, piece by piece as it comes, until its end or until write says
 * false. seconds: longest for all of it, 0: no limit. TM_UNAVAILABLE: nobody answers there, with
 * the remedy; TM_PERM: 401 or 403; TM_NOTFOUND: 404; TM_AGAIN: any other answer, or it broke off.
 */
enum tm_status client_get(struct client *c, const char *path, long seconds,
                          bool (*write)(void *arg, const char *bytes, size_t n), void *arg,
                          struct tm_err *err);

#endif
