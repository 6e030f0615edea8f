/*
 * From reset to main. The loader (Linux, or a debugger) has put code and data where they run, so nothing is copied.
 */
#include <stdint.h>

/* Set by firmware.ld. */
extern uint32_t bss_start[], bss_end[], stack_top[];

int main(void);
void reset_handler(void);
void systick_handler(void);

/* A fault, or an interrupt nobody enabled: stay here, where a debugger finds the core. */
static void stuck(void) {
    for (;;) {
    }
}

/*
 * The Cortex-M4 reads stack and entry from address 0. Only the exceptions of the core itself: the interrupts of the
 * STM32MP15's peripherals stay disabled.
 */
static const struct {
    uint32_t *stack;
    void (*exceptions[15])(void);
} vectors __attribute__((section(".vectors"), used)) = {
    stack_top,
    {
        reset_handler,
        stuck, /* NMI */
        stuck, /* hard fault */
        stuck, /* memory management fault */
        stuck, /* bus fault */
        stuck, /* usage fault */
        0, 0, 0, 0,
        stuck, /* supervisor call */
        stuck, /* debug monitor */
        0,
        stuck, /* PendSV */
        systick_handler,
    },
};

_Static_assert(sizeof vectors == 64, "vector table");

void reset_handler(void) {
    /* Linux zeroes it too, on every load; a reset without a load does not. */
    for (volatile uint32_t *word = bss_start; word < bss_end; word++) {
        *word = 0;
    }
    main();
    stuck();
}
