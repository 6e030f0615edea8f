SUMMARY = "OCI runtime that deploys firmware to auxiliary processors"
SUMMARY:${PN}-boards = "Board profiles of remoteproc-runtime, to read: they are in the program"
SUMMARY:${PN}-containerd = "remoteproc-runtime as a runtime of containerd"
SUMMARY:${PN}-docker = "remoteproc-runtime as a runtime of docker"
SUMMARY:${PN}-podman = "remoteproc-runtime as a runtime of podman"
SUMMARY:${PN}-group = "Lets the members of the group remoteproc run firmware"
SUMMARY:${PN}-readonly = "A firmware directory that can be written, for a root file system that cannot"
SUMMARY:${PN}-services = "Runs bundles of firmware at boot"
DESCRIPTION = "Lets podman, containerd, docker or a service manager start, stop and watch firmware on the Cortex-M, \
               Cortex-R and DSP cores beside Linux, through the kernel's remoteproc framework."
SECTION = "console/utils"
LICENSE = "MIT | Apache-2.0"
LIC_FILES_CHKSUM = " \
    file://LICENSE;md5=70b247457cf74a767caff4af4bea58b9 \
    file://LICENSE-APACHE;md5=3b83ef96387f14655fc854ddc3c6bd57 \
    file://LICENSE-MIT;md5=98e476a6d7295b5385af4a8871728bb9 \
"

require remoteproc-runtime-crates.inc

require remoteproc-runtime-sources.inc

# What cargo reads, the other packages of the workspace included.
REMOTEPROC_RUNTIME_SOURCES = " \
    Cargo.lock \
    Cargo.toml \
    LICENSE \
    LICENSE-APACHE \
    LICENSE-MIT \
    benches \
    boards \
    build.rs \
    src \
    tests/board \
    tests/conformance \
    ${@'tests/calls tests/configs tests/firmware tests/scenarios' if d.getVar('PTEST_ENABLED') == '1' else ''} \
"

SRC_URI += " \
    file://60-remoteproc.rules \
    file://containerd.toml \
    file://docker.json \
    file://podman.conf \
    file://readonly.conf \
    file://remoteproc-processor@.target \
    file://remoteproc-runtime.init \
    file://remoteproc-runtime.tmpfiles \
    file://remoteproc-runtime@.service \
    file://run-ptest \
"

inherit cargo cargo-update-recipe-crates ptest systemd update-rc.d useradd

# rust-version of Cargo.toml. scarthgap's own Rust is older: meta-lts-mixins has a newer one.
REMOTEPROC_RUNTIME_RUST = "1.87"

python () {
    needed, there = d.getVar('REMOTEPROC_RUNTIME_RUST'), (d.getVar('RUSTVERSION') or '').rstrip('%')
    if there and bb.utils.vercmp_string_op(there, needed, '<'):
        raise bb.parse.SkipRecipe('it takes Rust %s, and RUSTVERSION is %s: add a layer with a newer one' % (needed, there))
}

# The engines whose configuration is packaged; that of an engine that is not in the image does nothing.
PACKAGECONFIG ??= "${@bb.utils.contains('DISTRO_FEATURES', 'virtualization', 'podman containerd docker', '', d)}"
PACKAGECONFIG[containerd] = ",,,"
PACKAGECONFIG[docker] = ",,,"
PACKAGECONFIG[podman] = ",,,"

# What of the flags in cross/targets is not for one linker alone: a panic aborts, so nothing reads unwind tables; code that is
# there twice becomes a function. Thumb instructions come by the machine's tune.
RUSTFLAGS:append:class-target = " -Cforce-unwind-tables=no -Cllvm-args=-enable-machine-outliner=always"
RUSTFLAGS:append:class-target:aarch64 = " -Ctarget-feature=-outline-atomics"

# What is to be stripped is so by the packaging, which keeps the names for -dbg.
export CARGO_PROFILE_RELEASE_STRIP = "false"

# What --version calls the commit.
export REMOTEPROC_RUNTIME_COMMIT = "${@d.getVar('SRCREV') if d.getVar('REMOTEPROC_RUNTIME_GIT') else 'unknown'}"

# scarthgap has no UNPACKDIR.
REMOTEPROC_RUNTIME_FILES = "${@d.getVar('UNPACKDIR') or d.getVar('WORKDIR')}"

do_install:append() {
    install -d ${D}${datadir}/remoteproc-runtime/boards
    install -m 0644 ${S}/boards/*.toml ${D}${datadir}/remoteproc-runtime/boards/
}

# Recipes of firmware make their units of it (remoteproc-bundle.bbclass).
do_install:append:class-native() {
    install -m 0644 ${REMOTEPROC_RUNTIME_FILES}/remoteproc-runtime@.service ${D}${datadir}/remoteproc-runtime/
}

do_install:append:class-target() {
    cd ${REMOTEPROC_RUNTIME_FILES}
    install -d ${D}${systemd_system_unitdir} ${D}${sysconfdir}/init.d
    install -m 0644 remoteproc-runtime@.service remoteproc-processor@.target ${D}${systemd_system_unitdir}/
    install -m 0755 remoteproc-runtime.init ${D}${sysconfdir}/init.d/remoteproc-runtime

    install -D -m 0644 60-remoteproc.rules ${D}${nonarch_base_libdir}/udev/rules.d/60-remoteproc.rules
    install -D -m 0644 remoteproc-runtime.tmpfiles ${D}${nonarch_libdir}/tmpfiles.d/remoteproc-runtime-group.conf
    install -m 0644 readonly.conf ${D}${nonarch_libdir}/tmpfiles.d/remoteproc-runtime-readonly.conf

    if ${@bb.utils.contains('PACKAGECONFIG', 'podman', 'true', 'false', d)}; then
        install -D -m 0644 podman.conf ${D}${sysconfdir}/containers/containers.conf.d/remoteproc.conf
    fi
    if ${@bb.utils.contains('PACKAGECONFIG', 'containerd', 'true', 'false', d)}; then
        install -D -m 0644 containerd.toml ${D}${sysconfdir}/containerd/config.toml
    fi
    if ${@bb.utils.contains('PACKAGECONFIG', 'docker', 'true', 'false', d)}; then
        install -D -m 0644 docker.json ${D}${sysconfdir}/docker/daemon.json
    fi
}

# The scenarios carry the simulated board and the firmware in them.
do_compile_ptest() {
    oe_cargo_build --test scenarios
}

do_install_ptest() {
    scenarios=$(find ${B}/target/${CARGO_TARGET_SUBDIR}/deps -maxdepth 1 -type f -name 'scenarios-*' -perm -100)
    install -m 0755 "$scenarios" ${D}${PTEST_PATH}/scenarios
}

# cargo builds the path of the program into its tests; run-ptest names another one.
INSANE_SKIP:${PN}-ptest += "buildpaths"

PACKAGE_BEFORE_PN = " \
    ${PN}-boards \
    ${PN}-containerd \
    ${PN}-docker \
    ${PN}-group \
    ${PN}-podman \
    ${PN}-readonly \
    ${PN}-services \
"

FILES:${PN}-boards += "${datadir}/remoteproc-runtime/boards"
FILES:${PN}-containerd += "${sysconfdir}/containerd/config.toml"
FILES:${PN}-docker += "${sysconfdir}/docker/daemon.json"
FILES:${PN}-group += " \
    ${nonarch_base_libdir}/udev/rules.d/60-remoteproc.rules \
    ${nonarch_libdir}/tmpfiles.d/remoteproc-runtime-group.conf \
"
FILES:${PN}-podman += "${sysconfdir}/containers/containers.conf.d/remoteproc.conf"
FILES:${PN}-readonly += "${nonarch_libdir}/tmpfiles.d/remoteproc-runtime-readonly.conf"
FILES:${PN}-services += " \
    ${sysconfdir}/init.d/remoteproc-runtime \
    ${systemd_system_unitdir}/remoteproc-processor@.target \
    ${systemd_system_unitdir}/remoteproc-runtime@.service \
"

CONFFILES:${PN}-containerd = "${sysconfdir}/containerd/config.toml"
CONFFILES:${PN}-docker = "${sysconfdir}/docker/daemon.json"
CONFFILES:${PN}-podman = "${sysconfdir}/containers/containers.conf.d/remoteproc.conf"

RDEPENDS:${PN}-containerd = "${PN}"
RDEPENDS:${PN}-docker = "${PN}"
RDEPENDS:${PN}-group = "${PN}"
RDEPENDS:${PN}-podman = "${PN}"
RDEPENDS:${PN}-ptest += "coreutils util-linux"
RDEPENDS:${PN}-readonly = "${PN}"
RDEPENDS:${PN}-services = "${PN}"

RRECOMMENDS:${PN}:class-target = " \
    ${@' '.join('${PN}-' + engine for engine in d.getVar('PACKAGECONFIG').split())} \
    ${PN}-board \
"

USERADD_PACKAGES = "${PN}-group"
GROUPADD_PARAM:${PN}-group = "--system remoteproc"

# Units are enabled for each bundle, by its own package.
SYSTEMD_PACKAGES = ""
INITSCRIPT_PACKAGES = "${PN}-services"
INITSCRIPT_NAME:${PN}-services = "remoteproc-runtime"
INITSCRIPT_PARAMS:${PN}-services = "defaults 80 20"

BBCLASSEXTEND = "native"
