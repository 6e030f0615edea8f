SUMMARY = "Firmware as containers"
DESCRIPTION = "remoteproc-runtime with the profile of the machine, what runs bundles of firmware at boot, and podman where \
               meta-virtualization and its distribution feature are there."
SECTION = "console/utils"

# The board's profile is for one machine.
PACKAGE_ARCH = "${MACHINE_ARCH}"

inherit packagegroup

RDEPENDS:${PN} = " \
    remoteproc-runtime \
    remoteproc-runtime-board \
    remoteproc-runtime-services \
"

RRECOMMENDS:${PN} = " \
    ${@bb.utils.contains('BBFILE_COLLECTIONS', 'virtualization-layer', '${REMOTEPROC_ENGINES}', '', d)} \
"
REMOTEPROC_ENGINES = "${@bb.utils.contains('DISTRO_FEATURES', 'virtualization', 'podman remoteproc-runtime-podman', '', d)}"
