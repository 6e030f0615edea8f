SUMMARY = "The board profile of this machine for remoteproc-runtime"
DESCRIPTION = "Names the profile by which remoteproc-runtime knows this machine's processors, where the machine's \
               overrides tell. Where they do not, nothing is installed and the device tree decides."
SECTION = "console/utils"
LICENSE = "MIT | Apache-2.0"
LIC_FILES_CHKSUM = " \
    file://${COMMON_LICENSE_DIR}/Apache-2.0;md5=89aea4e17d99a7cacdbeed46a0096b10 \
    file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302 \
"

SRC_URI = ""

inherit remoteproc-board

INHIBIT_DEFAULT_DEPS = "1"
PACKAGE_ARCH = "${MACHINE_ARCH}"

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    if [ -n "${REMOTEPROC_BOARD}" ]; then
        install -d ${D}${sysconfdir}/remoteproc-runtime
        echo "${REMOTEPROC_BOARD}" >${D}${sysconfdir}/remoteproc-runtime/board
    fi
    if [ -n "${REMOTEPROC_BOARD_PROFILE}" ]; then
        install -D -m 0644 "${REMOTEPROC_BOARD_PROFILE}" \
            ${D}${datadir}/remoteproc-runtime/boards/${REMOTEPROC_BOARD}.toml
    fi
}
do_install[file-checksums] += "${@d.getVar('REMOTEPROC_BOARD_PROFILE') + ':True' if d.getVar('REMOTEPROC_BOARD_PROFILE') else ''}"

FILES:${PN} += "${datadir}/remoteproc-runtime/boards"

CONFFILES:${PN} = "${@'${sysconfdir}/remoteproc-runtime/board' if d.getVar('REMOTEPROC_BOARD') else ''}"
ALLOW_EMPTY:${PN} = "1"

# The drivers of the machine's family, where the kernel has them as modules.
REMOTEPROC_MODULES = "kernel-module-virtio-rpmsg-bus kernel-module-rpmsg-char kernel-module-rpmsg-ctrl"
REMOTEPROC_MODULES_OF_FAMILY = "${@remoteproc_modules(d.getVar('REMOTEPROC_FAMILY'))}"

def remoteproc_modules(family):
    names = {
        'imx': ('imx-rproc', 'imx-dsp-rproc'),
        'stm32mp': ('stm32-rproc',),
        'ti-k3': ('ti-k3-r5-remoteproc', 'ti-k3-dsp-remoteproc', 'ti-k3-m4-remoteproc', 'pru-rproc'),
        'zynqmp': ('xlnx-r5-remoteproc',),
    }
    return ' '.join('kernel-module-' + name for name in names.get(family, ()))

RRECOMMENDS:${PN} += "${REMOTEPROC_MODULES} ${REMOTEPROC_MODULES_OF_FAMILY}"
