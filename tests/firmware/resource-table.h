/*
 * What the firmware tells Linux about itself: the resource table, in the layout that the remoteproc core reads
 * (include/linux/remoteproc.h in the kernel). All fields are little-endian 32-bit words but for the last four bytes of
 * the virtio device; nothing needs padding, and the assertions below keep it so.
 */
#pragma once

#include <stdint.h>

#define IN_RESOURCE_TABLE __attribute__((section(".resource_table"), used))

/* The only version there is. */
#define TABLE_VERSION 1

#define ENTRY_TRACE 2u
#define ENTRY_VIRTIO_DEVICE 3u

/* "Linux chooses the address and writes it here." */
#define ANY_ADDRESS UINT32_MAX

#define VIRTIO_ID_RPMSG 7u
#define VIRTIO_RPMSG_F_NAME_SERVICE (1u << 0)
#define VIRTIO_STATUS_DRIVER_OK 4u

struct table_header {
    uint32_t version;
    uint32_t entries;
    uint32_t reserved[2];
    /* Followed by the offset of each entry from the start of the table, then by the entries. */
};

struct trace_entry {
    uint32_t type;
    uint32_t address;
    uint32_t length;
    uint32_t reserved;
    char name[32];
};

struct vring {
    uint32_t address;
    uint32_t align;
    uint32_t descriptors;
    uint32_t notify_id;
    uint32_t physical_address;
};

struct virtio_device_entry {
    uint32_t type;
    uint32_t virtio_id;
    uint32_t notify_id;
    uint32_t offered_features;
    uint32_t accepted_features;
    uint32_t config_length;
    uint8_t status;
    uint8_t vrings;
    uint8_t reserved[2];
    /* Followed by the vrings. */
};

_Static_assert(sizeof(struct table_header) == 16, "table header");
_Static_assert(sizeof(struct trace_entry) == 48, "trace entry");
_Static_assert(sizeof(struct vring) == 20, "vring");
_Static_assert(sizeof(struct virtio_device_entry) == 28, "virtio device entry");
