/*
 * Firmware without a resource table: Linux starts it, and knows nothing of its trace. The text is in memory all the
 * same, for a debugger.
 */
#include "runtime.h"

volatile char trace[TRACE_SIZE] IN_TRACE = "bare 1.0 on cortex-m4: hello\n";

int main(void) {
    trace_text("bare: running\n");
    start_ticks();
    for (uint32_t beat = 1;; beat++) {
        wait_for_beat();
        trace_beat("bare", beat);
    }
}
