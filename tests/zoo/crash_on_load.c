/* verify: file.loads CRASHED SIGSEGV in loading it */
#include "zoo.h"
#include <signal.h>
__attribute__((constructor)) static void loaded(void) {
    raise(SIGSEGV);
}
ZOO_FILTER
