/* What the service manager is told (sd_notify(3)); nothing happens outside of a service. */
#ifndef NOTIFY_H
#define NOTIFY_H

#include "tm_base.h"

/* Lines of NAME=value, as sd_notify takes them. */
void notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* How often the watchdog must hear of us, in ms; 0: there is none. */
int64_t notify_watchdog_ms(void);

#endif
