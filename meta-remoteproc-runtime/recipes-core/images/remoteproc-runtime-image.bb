SUMMARY = "A console image that runs firmware on auxiliary processors"
DESCRIPTION = "The smallest image that boots, with remoteproc-runtime, and the example firmware where the machine has its \
               processor."
SECTION = "images"
LICENSE = "MIT"

IMAGE_INSTALL = " \
    packagegroup-core-boot \
    packagegroup-remoteproc-runtime \
    ${CORE_IMAGE_EXTRA_INSTALL} \
"
IMAGE_INSTALL:append:stm32mp15common = " remoteproc-blink"
# A root file system that cannot be written gets a firmware directory that can.
IMAGE_INSTALL:append = "${@bb.utils.contains('IMAGE_FEATURES', 'read-only-rootfs', ' remoteproc-runtime-readonly', '', d)}"
IMAGE_INSTALL:append = "${@bb.utils.contains('DISTRO_FEATURES', 'ptest', ' remoteproc-runtime-ptest', '', d)}"

# For bitbake -c testimage, where IMAGE_CLASSES has testimage and IMAGE_FEATURES an ssh-server-dropbear: the cases in
# lib/oeqa/runtime of this layer.
TEST_SUITES = "ping ssh remoteproc_runtime"

inherit core-image
