# Makes a container of a firmware: an OCI bundle, a unit that runs it at boot, and an image for engines.
#
# A recipe that compiles a firmware, or has a finished one, inherits this class and sets
#
#   REMOTEPROC_FIRMWARE    the ELF file, below ${B} or by its whole path
#   REMOTEPROC_PROCESSOR   the processor: an alias of the board's profile, or the kernel's name
#
# It may set
#
#   REMOTEPROC_BUNDLE        the container's name, in place of the recipe's
#   REMOTEPROC_ANNOTATIONS   further annotations, NAME=VALUE parted by spaces, such as remoteproc.recovery=disabled
#   REMOTEPROC_AUTOSTART     "0": no unit is enabled; whoever wants the firmware starts it
#
# The build fails where the firmware does not fit the processor, as `remoteproc-runtime check` finds by the profile of
# REMOTEPROC_BOARD (remoteproc-board.bbclass). Like create, it looks at nothing with remoteproc.firmware-check=off.
#
# Packages: the recipe's own, with the bundle in /usr/lib/remoteproc-runtime/bundles/NAME and its unit, and PN-image, with
# an archive for `podman load` and the like in /usr/share/remoteproc-runtime/images. The archive is deployed as well.

SUMMARY:${PN}-image ?= "${SUMMARY}: an image for container engines"

inherit remoteproc-board systemd deploy

REMOTEPROC_FIRMWARE ?= ""
REMOTEPROC_PROCESSOR ?= ""
REMOTEPROC_BUNDLE ?= "${BPN}"
REMOTEPROC_ANNOTATIONS ?= ""
REMOTEPROC_AUTOSTART ?= "1"

DEPENDS += "remoteproc-runtime-native"

# It is for the processors of one machine.
PACKAGE_ARCH = "${MACHINE_ARCH}"

# A firmware is another processor's program: nothing of it is to be taken out, and no library is looked for.
INHIBIT_PACKAGE_STRIP = "1"
INHIBIT_PACKAGE_DEBUG_SPLIT = "1"
INHIBIT_SYSROOT_STRIP = "1"
INSANE_SKIP:${PN} += "already-stripped arch"

REMOTEPROC_BUNDLE_PATH = "${nonarch_libdir}/remoteproc-runtime/bundles/${REMOTEPROC_BUNDLE}"
REMOTEPROC_IMAGE_PATH = "${datadir}/remoteproc-runtime/images/${REMOTEPROC_BUNDLE}.oci.tar"
REMOTEPROC_UNIT = "remoteproc-runtime@${REMOTEPROC_BUNDLE}.service"
# What stands for / of the build machine, whose own processors are none of the firmware's.
REMOTEPROC_NO_MACHINE = "${WORKDIR}/remoteproc-no-machine"

python () {
    import re

    for name in ('REMOTEPROC_FIRMWARE', 'REMOTEPROC_PROCESSOR'):
        if not d.getVar(name):
            raise bb.parse.SkipRecipe('%s is not set, which remoteproc-bundle.bbclass needs' % name)
    if not re.fullmatch(r'[A-Za-z0-9_.+][A-Za-z0-9_.+-]*', d.getVar('REMOTEPROC_BUNDLE')):
        bb.fatal('REMOTEPROC_BUNDLE: %s: a name has letters, digits and _ + . -' % d.getVar('REMOTEPROC_BUNDLE'))
    for word in d.getVar('REMOTEPROC_ANNOTATIONS').split():
        if not re.fullmatch(r'[^=]+=.+', word):
            bb.fatal('REMOTEPROC_ANNOTATIONS: %s: it is to be NAME=VALUE' % word)
    seconds = remoteproc_annotations(d).get('remoteproc.stop-timeout', '10')
    if not seconds.isdecimal():
        bb.fatal('REMOTEPROC_ANNOTATIONS: remoteproc.stop-timeout=%s: it is to be seconds' % seconds)

    functions = 'remoteproc_bundle_write remoteproc_bundle_annotate remoteproc_bundle_check remoteproc_bundle_image'
    if bb.utils.contains('DISTRO_FEATURES', 'systemd', True, False, d):
        functions += ' remoteproc_bundle_unit'
    d.appendVarFlag('do_install', 'postfuncs', ' ' + functions)
}

def remoteproc_annotations(d):
    return dict(word.split('=', 1) for word in d.getVar('REMOTEPROC_ANNOTATIONS').split())

# Of an image's manifest, from which podman takes them for its containers.
def remoteproc_image_annotations(d):
    import json

    annotations = {'remoteproc.name': d.getVar('REMOTEPROC_PROCESSOR'), **remoteproc_annotations(d)}
    return json.dumps(annotations, sort_keys=True).replace("'", '\\u0027')

# Engines compare it with their own.
def remoteproc_image_architecture(d):
    names = {'aarch64': 'arm64', 'x86_64': 'amd64', 'i686': '386'}
    return names.get(d.getVar('TARGET_ARCH'), d.getVar('TARGET_ARCH'))

remoteproc_bundle_write() {
    mkdir -p "${REMOTEPROC_NO_MACHINE}"
    remoteproc-runtime --host-root "${REMOTEPROC_NO_MACHINE}" spec --bundle "${D}${REMOTEPROC_BUNDLE_PATH}" \
        --processor "${REMOTEPROC_PROCESSOR}" --firmware "${REMOTEPROC_FIRMWARE}"
    chmod -R u=rwX,go=rX "${D}${REMOTEPROC_BUNDLE_PATH}"
    if [ "${REMOTEPROC_AUTOSTART}" = 0 ]; then
        touch "${D}${REMOTEPROC_BUNDLE_PATH}/manual"
    fi
}

python remoteproc_bundle_annotate() {
    import json

    path = d.expand('${D}${REMOTEPROC_BUNDLE_PATH}/config.json')
    with open(path) as file:
        config = json.load(file)
    config['annotations'].update(remoteproc_annotations(d))
    with open(path, 'w') as file:
        json.dump(config, file, indent=2, sort_keys=True)
        file.write('\n')
}

# Says what `check` finds of the bundle; in the given format.
remoteproc_bundle_examine() {
    set -- --format "$1"
    if [ -n "${REMOTEPROC_BOARD}" ]; then
        set -- "$@" --board "${REMOTEPROC_BOARD}"
    fi
    if [ -n "${REMOTEPROC_BOARD_PROFILE}" ]; then
        install -D -m 0644 "${REMOTEPROC_BOARD_PROFILE}" \
            "${REMOTEPROC_NO_MACHINE}/etc/remoteproc-runtime/boards/${REMOTEPROC_BOARD}.toml"
    fi
    remoteproc-runtime --host-root "${REMOTEPROC_NO_MACHINE}" check "$@" "${D}${REMOTEPROC_BUNDLE_PATH}"
}

remoteproc_bundle_check() {
    if ${@'true' if remoteproc_annotations(d).get('remoteproc.firmware-check') == 'off' else 'false'}; then
        return
    fi
    if [ -z "${REMOTEPROC_BOARD}" ]; then
        bbwarn "No board profile is known for ${MACHINE}, so nothing tells whether ${REMOTEPROC_FIRMWARE} fits its" \
            "processor: REMOTEPROC_BOARD names one."
    fi
    if ! report=$(remoteproc_bundle_examine table 2>&1); then
        bbfatal "${REMOTEPROC_FIRMWARE} does not fit the processor ${REMOTEPROC_PROCESSOR}: $report"
    fi
    bbnote "$report"
}

# The alias by which the unit of the processor is ordered, and of the one that must run before, where there is one.
remoteproc_bundle_alias() {
    remoteproc_bundle_examine json | sed -n 's/^    "alias": "\(.*\)",$/\1/p'
}

remoteproc_bundle_after() {
    profile="${REMOTEPROC_BOARD_PROFILE}"
    awk -v alias="$1" '
        function end_of_processor() { if (mine) print after; mine = 0; after = "" }
        /^\[\[processor\]\]/ { end_of_processor() }
        /^aliases *=/ { mine = index($0, "[\"" alias "\"") > 0 }
        /^after *=/ { split($0, parts, "\""); after = parts[2] }
        END { end_of_processor() }
    ' "${profile:-${STAGING_DATADIR_NATIVE}/remoteproc-runtime/boards/${REMOTEPROC_BOARD}.toml}"
}

# The common unit under the bundle's name, with what is this bundle's own below.
remoteproc_bundle_unit() {
    unit="${D}${systemd_system_unitdir}/${REMOTEPROC_UNIT}"
    install -D -m 0644 "${STAGING_DATADIR_NATIVE}/remoteproc-runtime/remoteproc-runtime@.service" "$unit"

    alias=
    after=
    if [ -n "${REMOTEPROC_BOARD}" ]; then
        alias=$(remoteproc_bundle_alias)
    fi
    if [ -n "$alias" ]; then
        after=$(remoteproc_bundle_after "$alias")
        printf '\n[Unit]\nWants=remoteproc-processor@%s.target\nBefore=remoteproc-processor@%s.target\n' \
            "$alias" "$alias" >>"$unit"
    fi
    if [ -n "$after" ]; then
        printf 'After=remoteproc-processor@%s.target\n' "$after" >>"$unit"
    fi
    printf '\n[Service]\n# The container has %s s of it.\nTimeoutStopSec=%d\n' \
        ${@int(remoteproc_annotations(d).get('remoteproc.stop-timeout', '10'))} \
        ${@int(remoteproc_annotations(d).get('remoteproc.stop-timeout', '10')) + 20} >>"$unit"
}

remoteproc_image_digest() {
    sha256sum <"$1" | cut -d ' ' -f 1
}

# Puts a file where an image layout has its blobs; says its digest and size as JSON.
remoteproc_image_blob() {
    digest=$(remoteproc_image_digest "$1")
    cp "$1" "$layout/blobs/sha256/$digest"
    printf '"digest":"sha256:%s","size":%d' "$digest" "$(stat -c %s "$1")"
}

# The same files give the same archive.
remoteproc_image_pack() {
    tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --format=gnu "$@"
}

remoteproc_bundle_image() {
    rm -rf "${WORKDIR}/remoteproc-image"
    layout="${WORKDIR}/remoteproc-image/layout"
    parts="${WORKDIR}/remoteproc-image"
    media=application/vnd.oci.image
    firmware=$(basename "${REMOTEPROC_FIRMWARE}")
    install -d "$layout/blobs/sha256"

    remoteproc_image_pack --directory "${D}${REMOTEPROC_BUNDLE_PATH}/rootfs" --file "$parts/layer" "$firmware"
    layer=$(remoteproc_image_blob "$parts/layer")
    printf '{"architecture":"%s","os":"linux","config":{"Entrypoint":["/%s"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
        "${@remoteproc_image_architecture(d)}" "$firmware" "$(remoteproc_image_digest "$parts/layer")" >"$parts/config"
    config=$(remoteproc_image_blob "$parts/config")
    printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"%s",%s},"layers":[{"mediaType":"%s",%s}],"annotations":%s}' \
        $media.manifest.v1+json $media.config.v1+json "$config" $media.layer.v1.tar "$layer" \
        '${@remoteproc_image_annotations(d)}' >"$parts/manifest"
    manifest=$(remoteproc_image_blob "$parts/manifest")
    printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s",%s,"annotations":{"org.opencontainers.image.ref.name":"localhost/%s:%s"}}]}' \
        $media.manifest.v1+json "$manifest" "${REMOTEPROC_BUNDLE}" "${PV}" >"$layout/index.json"
    printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"

    install -d "${D}$(dirname ${REMOTEPROC_IMAGE_PATH})"
    remoteproc_image_pack --directory "$layout" --file "${D}${REMOTEPROC_IMAGE_PATH}" blobs index.json oci-layout
}

do_deploy() {
    install -m 0644 "${D}${REMOTEPROC_IMAGE_PATH}" "${DEPLOYDIR}/"
}
addtask deploy after do_install before do_build

PACKAGE_BEFORE_PN += "${PN}-image"

FILES:${PN} += "${REMOTEPROC_BUNDLE_PATH} ${systemd_system_unitdir}/${REMOTEPROC_UNIT}"
FILES:${PN}-image += "${REMOTEPROC_IMAGE_PATH}"

RDEPENDS:${PN} += "remoteproc-runtime-services"
RDEPENDS:${PN}-image += "remoteproc-runtime"

SYSTEMD_SERVICE:${PN} = "${REMOTEPROC_UNIT}"
SYSTEMD_AUTO_ENABLE:${PN} = "${@'disable' if d.getVar('REMOTEPROC_AUTOSTART') == '0' else 'enable'}"
