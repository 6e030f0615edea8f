SUMMARY = "Firmware for the Cortex-M4 of an STM32MP15 that tells of its beats"
DESCRIPTION = "An example of remoteproc-bundle.bbclass: firmware made from source, run at boot. It touches no pin and no \
               peripheral, so it runs on any board, and shows in /sys/kernel/debug/remoteproc/remoteproc0/trace0."
SECTION = "firmware"
LICENSE = "MIT | Apache-2.0"
LIC_FILES_CHKSUM = " \
    file://LICENSE;md5=70b247457cf74a767caff4af4bea58b9 \
    file://LICENSE-APACHE;md5=3b83ef96387f14655fc854ddc3c6bd57 \
    file://LICENSE-MIT;md5=98e476a6d7295b5385af4a8871728bb9 \
"

require recipes-containers/remoteproc-runtime/remoteproc-runtime-sources.inc

REMOTEPROC_RUNTIME_SOURCES = " \
    LICENSE \
    LICENSE-APACHE \
    LICENSE-MIT \
    tests/firmware \
"

inherit remoteproc-bundle

REMOTEPROC_FIRMWARE = "${B}/blink.elf"
REMOTEPROC_PROCESSOR = "m4"

# The compiler for the Cortex-A7 beside it is one for all 32-bit ARM processors; its libraries are not used.
COMPATIBLE_MACHINE = "(stm32mp15common)"
REMOTEPROC_FIRMWARE_CC = "${TARGET_PREFIX}gcc"
REMOTEPROC_FIRMWARE_FLAGS = " \
    -mcpu=cortex-m4 -mthumb -mfloat-abi=soft -Os -std=c11 \
    -ffreestanding -nostdlib -fno-pie -no-pie -fno-stack-protector \
    -fno-tree-loop-distribute-patterns -ffunction-sections -fdata-sections \
    -Wl,--gc-sections -Wl,--build-id=none -z max-page-size=4 -z common-page-size=4 \
"

B = "${WORKDIR}/build"

do_compile() {
    cd ${S}/tests/firmware
    ${REMOTEPROC_FIRMWARE_CC} ${REMOTEPROC_FIRMWARE_FLAGS} -s -T firmware.ld -o ${B}/blink.elf startup.c runtime.c blink.c
}
