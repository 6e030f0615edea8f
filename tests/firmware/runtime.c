#include "runtime.h"

#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xE000E014)
#define SYSTICK_CURRENT (*(volatile uint32_t *)0xE000E018)
#define SYSTICK_ON_WITH_INTERRUPT_FROM_CORE_CLOCK 7u

/*
 * A tenth of a second at 64 MHz, the clock out of reset. Boot loaders usually raise it (209 MHz on ST's boards); the
 * beats are then faster, which nothing here minds.
 */
#define CYCLES_PER_TICK 6400000u
#define TICKS_PER_BEAT 10u

volatile uint32_t ticks;

/* Where the next text goes, and where the last beat began (0: no beat yet; a first line always comes before it). */
static uint32_t end;
static uint32_t last_beat;

void systick_handler(void) { ticks++; }

static void put(char c) {
    if (end < TRACE_SIZE - 1) {
        trace[end++] = c;
    }
}

void trace_text(const char *text) {
    /* Behind the text that came with the load, or behind what was written before a reset without a new load. */
    while (end < TRACE_SIZE - 1 && trace[end] != '\0') {
        end++;
    }
    last_beat = 0;
    while (*text != '\0') {
        put(*text++);
    }
}

void trace_beat(const char *name, uint32_t n) {
    char digits[10];
    uint32_t count = 0;

    do {
        digits[count++] = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);

    if (last_beat != 0) {
        end = last_beat;
    }
    uint32_t start = end;
    while (*name != '\0') {
        put(*name++);
    }
    for (const char *text = ": beat "; *text != '\0'; text++) {
        put(*text);
    }
    while (count != 0) {
        put(digits[--count]);
    }
    put('\n');
    last_beat = start;
}

void start_ticks(void) {
    SYSTICK_RELOAD = CYCLES_PER_TICK - 1;
    SYSTICK_CURRENT = 0;
    SYSTICK_CONTROL = SYSTICK_ON_WITH_INTERRUPT_FROM_CORE_CLOCK;
}

void wait_for_beat(void) {
    uint32_t since = ticks;
    while (ticks - since < TICKS_PER_BEAT) {
        __asm__ volatile("wfi" ::: "memory");
    }
}
