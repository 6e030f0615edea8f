/*
 * Firmware that also announces an rpmsg device, so that Linux sets up its vrings and registers the virtio device. It
 * says when Linux's driver is ready, but opens no channel and answers no message.
 */
#include "resource-table.h"
#include "runtime.h"

/* With 512 bytes a message, both rings together fill the 16 KiB of buffers that ST's boards reserve. */
#define DESCRIPTORS 16
#define RING_ALIGN 16

volatile char trace[TRACE_SIZE] IN_TRACE = "rpmsg 1.0 on cortex-m4: hello\n";

struct table {
    struct table_header header;
    uint32_t offsets[2];
    struct trace_entry trace;
    struct virtio_device_entry device;
    struct vring rings[2];
};

/* Linux writes addresses and status into this table where it lies, hence volatile. */
static volatile struct table table IN_RESOURCE_TABLE = {
    .header = {.version = TABLE_VERSION, .entries = 2},
    .offsets = {__builtin_offsetof(struct table, trace), __builtin_offsetof(struct table, device)},
    .trace = {
        .type = ENTRY_TRACE,
        .address = (uint32_t)trace,
        .length = TRACE_SIZE,
        .name = "trace0",
    },
    .device = {
        .type = ENTRY_VIRTIO_DEVICE,
        .virtio_id = VIRTIO_ID_RPMSG,
        .notify_id = 0,
        .offered_features = VIRTIO_RPMSG_F_NAME_SERVICE,
        .vrings = 2,
    },
    .rings = {
        {.address = ANY_ADDRESS, .align = RING_ALIGN, .descriptors = DESCRIPTORS, .notify_id = 0},
        {.address = ANY_ADDRESS, .align = RING_ALIGN, .descriptors = DESCRIPTORS, .notify_id = 1},
    },
};

int main(void) {
    int ready = 0;

    trace_text("rpmsg: running\n");
    start_ticks();
    for (uint32_t beat = 1;; beat++) {
        wait_for_beat();
        if (!ready && (table.device.status & VIRTIO_STATUS_DRIVER_OK) != 0) {
            ready = 1;
            trace_text("rpmsg: driver ready\n");
        }
        trace_beat("rpmsg", beat);
    }
}
