/* The usual firmware: a resource table with a trace buffer. */
#include "resource-table.h"
#include "runtime.h"

volatile char trace[TRACE_SIZE] IN_TRACE = "blink 1.0 on cortex-m4: hello\n";

struct table {
    struct table_header header;
    uint32_t offsets[1];
    struct trace_entry trace;
};

static struct table table IN_RESOURCE_TABLE = {
    .header = {.version = TABLE_VERSION, .entries = 1},
    .offsets = {__builtin_offsetof(struct table, trace)},
    .trace = {
        .type = ENTRY_TRACE,
        .address = (uint32_t)trace,
        .length = TRACE_SIZE,
        .name = "trace0",
    },
};

int main(void) {
    trace_text("blink: running\n");
    start_ticks();
    for (uint32_t beat = 1;; beat++) {
        wait_for_beat();
        trace_beat("blink", beat);
    }
}
