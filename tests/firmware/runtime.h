/* What the firmware variants share: the trace buffer and the clock tick. */
#pragma once

#include <stdint.h>

#define TRACE_SIZE 512
#define IN_TRACE __attribute__((section(".trace"), used))

/*
 * The text Linux shows as trace0. Each variant defines it with its first line already in it: the loader puts that line
 * in memory, so it is there even where no processor executes the firmware (a simulated board).
 */
extern volatile char trace[TRACE_SIZE];

/* Counts up on every tick: a debugger sees from it that the core lives. */
extern volatile uint32_t ticks;

/* Append to the trace. What does not fit is dropped; the last byte stays NUL, where Linux stops reading. */
void trace_text(const char *text);

/* Write "<name>: beat <n>" as the last line, over the beat before it: the trace counts, but does not fill up. */
void trace_beat(const char *name, uint32_t n);

/* Start the tick, then sleep until ten more ticks have passed. */
void start_ticks(void);
void wait_for_beat(void);
