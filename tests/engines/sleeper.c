/* An ordinary program for an ordinary container, to compare with: it waits for its SIGTERM. */
#include <signal.h>
#include <unistd.h>

static void end(int signal) {
    (void)signal;
    _exit(0);
}

int main(void) {
    signal(SIGTERM, end);
    for (;;) {
        pause();
    }
}
