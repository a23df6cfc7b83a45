/* Tells callgrind where a case begins and ends. What instructions.py compiles and counting.py loads. */
#include <valgrind/callgrind.h>

void begin(void)
{
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

void end(const char *name)
{
    CALLGRIND_DUMP_STATS_AT(name);
}

int counts(void)
{
    return RUNNING_ON_VALGRIND != 0;
}
