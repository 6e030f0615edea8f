"""remoteproc-bundle.bbclass: what it makes of a firmware, and what it refuses."""
import hashlib
import json
import tarfile
import tomllib
import unittest

from harness import *

BLINK = PROJECT / "tests/firmware/blink.elf"
# A recipe for a firmware that is there already.
PREBUILT = """
SUMMARY = "A firmware"
LICENSE = "CLOSED"
REMOTEPROC_FIRMWARE ?= "%s"
REMOTEPROC_PROCESSOR ?= "m4"
inherit remoteproc-bundle
""" % BLINK


class Bundle(unittest.TestCase):
    def setUp(self):
        work = Work()
        self.work = work.__enter__()
        self.addCleanup(work.__exit__)
        native_tools(self.work)

    def parsed(self, overrides="stm32mp15common", **variables):
        path = self.work / "blinky_1.2.bb"
        path.write_text(PREBUILT)
        return parsed(path, self.work, overrides, **{"DISTRO_FEATURES": "systemd", **variables})

    def installed(self, *arguments, **variables):
        """The image folder after do_install."""
        d = self.parsed(*arguments, **variables)
        run(d, "do_install")
        return Path(d.getVar("D"))

    def unit(self, image, name="blinky"):
        return (image / f"usr/lib/systemd/system/remoteproc-runtime@{name}.service").read_text()

    def test_the_bundle_is_one_that_the_runtime_takes(self):
        image = self.installed()
        bundle = image / "usr/lib/remoteproc-runtime/bundles/blinky"
        config = json.loads((bundle / "config.json").read_text())
        self.assertEqual(config["annotations"], {"remoteproc.name": "m4"})
        self.assertEqual((bundle / "rootfs/blink.elf").read_bytes(), BLINK.read_bytes())
        self.assertEqual((bundle / "rootfs/blink.elf").stat().st_mode & 0o777, 0o644)
        self.assertEqual(bundle.stat().st_mode & 0o777, 0o755)
        subprocess.run(
            [PROGRAMS / "remoteproc-runtime", "check", "--board=stm32mp15", bundle], check=True, stdout=subprocess.DEVNULL
        )

    def test_annotations_are_added(self):
        image = self.installed(REMOTEPROC_ANNOTATIONS="remoteproc.recovery=disabled remoteproc.stop-timeout=60")
        config = json.loads((image / "usr/lib/remoteproc-runtime/bundles/blinky/config.json").read_text())
        expected = {"remoteproc.name": "m4", "remoteproc.recovery": "disabled", "remoteproc.stop-timeout": "60"}
        self.assertEqual(config["annotations"], expected)
        # systemd waits longer than the container does.
        self.assertEqual(self.last(self.unit(image), "TimeoutStopSec"), "80")

    def last(self, unit, key):
        return [line.split("=", 1)[1] for line in unit.splitlines() if line.startswith(key + "=")][-1]

    def test_firmware_that_does_not_fit_fails_the_build_with_the_reason(self):
        with self.assertRaises(Failed) as refused:
            self.installed("mx8mp-generic-bsp", REMOTEPROC_PROCESSOR="dsp")
        self.assertIn("blink.elf does not fit the processor dsp:", str(refused.exception))
        self.assertIn("error: blink.elf:", str(refused.exception))

    def test_a_processor_that_the_board_does_not_have_fails_the_build(self):
        with self.assertRaises(Failed):
            self.installed(REMOTEPROC_PROCESSOR="m7")

    def test_a_file_that_is_no_firmware_fails_the_build(self):
        with self.assertRaises(Failed):
            self.installed(REMOTEPROC_FIRMWARE=str(PROJECT / "README.md"))

    def test_unexamined_firmware_is_packed_as_it_is(self):
        image = self.installed(
            REMOTEPROC_FIRMWARE=str(PROJECT / "README.md"), REMOTEPROC_ANNOTATIONS="remoteproc.firmware-check=off"
        )
        self.assertTrue((image / "usr/lib/remoteproc-runtime/bundles/blinky/rootfs/README.md").exists())

    def test_without_a_profile_the_file_alone_is_examined(self):
        image = self.installed("qemuall")
        self.assertNotIn("remoteproc-processor@", self.unit(image))
        with self.assertRaises(Failed):
            self.installed("qemuall", REMOTEPROC_FIRMWARE=str(PROJECT / "README.md"))

    def test_a_profile_of_ones_own_is_what_is_compared(self):
        profile = self.work / "mine.toml"
        text = (PROJECT / "boards/stm32mp15.toml").read_text().replace('name = "stm32mp15"', 'name = "mine"')
        text = text.replace('compatible = [', 'compatible = ["acme,mine"] #')
        profile.write_text(text.replace('aliases = ["m4", "cm4"]', 'aliases = ["engine", "cm4"]'))
        image = self.installed(
            "", REMOTEPROC_BOARD="mine", REMOTEPROC_BOARD_PROFILE=str(profile), REMOTEPROC_PROCESSOR="cm4"
        )
        self.assertIn("Before=remoteproc-processor@engine.target", self.unit(image))

    def test_the_order_is_that_of_every_profile(self):
        for path in sorted((PROJECT / "boards").glob("*.toml")):
            with self.subTest(path.stem):
                processors = tomllib.loads(path.read_text())["processor"]
                d = self.parsed("", REMOTEPROC_BOARD=path.stem)
                lines = [f'echo "{p["aliases"][0]} $(remoteproc_bundle_after {p["aliases"][0]})"' for p in processors]
                d.setVar("say_order", "\n".join(lines) + "\n")
                d.setVarFlags("say_order", {"func": "1"})
                expected = [[p["aliases"][0], *([p["after"]] if "after" in p else [])] for p in processors]
                self.assertEqual([line.split() for line in run(d, "say_order").splitlines()], expected)

    def test_the_order_is_found_wherever_it_stands(self):
        profile = self.work / "mine.toml"
        blocks = ('aliases = ["a"]', 'after = "a"\naliases = ["b", "a2"]', 'aliases = ["c"]\nafter = "b"')
        profile.write_text("".join(f"[[processor]]\n{block}\n" for block in blocks))
        d = self.parsed("", REMOTEPROC_BOARD="mine", REMOTEPROC_BOARD_PROFILE=str(profile))
        d.setVar("say_order", 'for one in a b c a2; do echo "$one $(remoteproc_bundle_after $one)"; done\n')
        d.setVarFlags("say_order", {"func": "1"})
        self.assertEqual(run(d, "say_order").splitlines(), ["a ", "b a", "c b", "a2 "])

    def test_the_unit_comes_after_that_of_the_processor_that_precedes_its_own(self):
        firmware = self.work / "r5.elf"
        firmware.write_bytes(for_r5f())
        image = self.installed("am64xx", REMOTEPROC_FIRMWARE=str(firmware), REMOTEPROC_PROCESSOR="main-r5f0-1")
        unit = self.unit(image)
        self.assertIn("Wants=remoteproc-processor@r5f0-1.target\nBefore=remoteproc-processor@r5f0-1.target\n", unit)
        self.assertIn("After=remoteproc-processor@r5f0-0.target\n", unit)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "takes systemd-analyze")
    def test_systemd_takes_the_unit(self):
        image = self.installed()
        units = image / "usr/lib/systemd/system"
        for name in ("remoteproc-processor@.target", "remoteproc-runtime@.service"):
            shutil.copy(LAYER / "recipes-containers/remoteproc-runtime/files" / name, units)
        # Its programs are none of this machine.
        for unit in units.glob("*.service"):
            unit.write_text(unit.read_text().replace("/usr/bin/remoteproc-runtime", "/bin/true"))
        verify = ["systemd-analyze", "verify", "--man=no"]
        for unit in ("remoteproc-runtime@blinky.service", "remoteproc-runtime@other.service", "remoteproc-processor@m4.target"):
            done = subprocess.run(
                [*verify, units / unit], stderr=subprocess.PIPE, text=True, env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"}
            )
            # Keys of systemd 254, which older ones pass over.
            young = ("RestartSteps", "RestartMaxDelaySec")
            complaints = [line for line in done.stderr.splitlines() if "remoteproc" in line and not any(k in line for k in young)]
            self.assertEqual((done.returncode, complaints), (0, []), unit)

    def test_a_bundle_that_is_not_to_start_at_boot_says_so(self):
        d = self.parsed(REMOTEPROC_AUTOSTART="0")
        run(d, "do_install")
        self.assertEqual(d.getVar("SYSTEMD_AUTO_ENABLE:blinky"), "disable")
        self.assertTrue((Path(d.getVar("D")) / "usr/lib/remoteproc-runtime/bundles/blinky/manual").exists())
        self.assertEqual(self.parsed().getVar("SYSTEMD_AUTO_ENABLE:blinky"), "enable")

    def test_without_systemd_there_is_no_unit(self):
        image = self.installed(DISTRO_FEATURES="sysvinit")
        self.assertFalse((image / "usr/lib/systemd").exists())

    def test_what_is_installed_is_packaged(self):
        d = self.parsed()
        run(d, "do_install")
        image = Path(d.getVar("D"))
        packaged = (d.getVar("FILES:blinky") + " " + d.getVar("FILES:blinky-image")).split()
        for path in image.rglob("*"):
            name = "/" + str(path.relative_to(image))
            if not path.is_dir():
                self.assertTrue(any(name == at or name.startswith(at + "/") for at in packaged), name)

    def test_the_image_is_one_that_engines_load(self):
        d = self.parsed(REMOTEPROC_ANNOTATIONS="remoteproc.recovery=disabled note=it's", TARGET_ARCH="aarch64")
        run(d, "do_install", "do_deploy")
        archive = self.work / "deploy/blinky.oci.tar"
        unpacked = self.work / "unpacked"
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked)
        self.assertEqual(json.loads((unpacked / "oci-layout").read_text()), {"imageLayoutVersion": "1.0.0"})

        def blob(descriptor):
            path = unpacked / "blobs/sha256" / descriptor["digest"].removeprefix("sha256:")
            data = path.read_bytes()
            self.assertEqual(hashlib.sha256(data).hexdigest(), path.name)
            self.assertEqual(len(data), descriptor["size"])
            return data

        (entry,) = json.loads((unpacked / "index.json").read_text())["manifests"]
        self.assertEqual(entry["annotations"]["org.opencontainers.image.ref.name"], "localhost/blinky:1.2")
        manifest = json.loads(blob(entry))
        expected = {"remoteproc.name": "m4", "remoteproc.recovery": "disabled", "note": "it's"}
        self.assertEqual(manifest["annotations"], expected)
        config = json.loads(blob(manifest["config"]))
        self.assertEqual((config["os"], config["architecture"]), ("linux", "arm64"))
        self.assertEqual(config["config"], {"Entrypoint": ["/blink.elf"]})
        (layer,) = manifest["layers"]
        self.assertEqual(config["rootfs"]["diff_ids"], [layer["digest"]])
        blob(layer)
        with tarfile.open(unpacked / "blobs/sha256" / layer["digest"].removeprefix("sha256:")) as tar:
            (member,) = tar.getmembers()
            self.assertEqual((member.name, member.uid, member.mtime), ("blink.elf", 0, 0))
            self.assertEqual(tar.extractfile(member).read(), BLINK.read_bytes())

    def test_the_same_firmware_gives_the_same_image(self):
        first = (self.installed() / "usr/share/remoteproc-runtime/images/blinky.oci.tar").read_bytes()
        shutil.rmtree(self.work / "image")
        again = (self.installed() / "usr/share/remoteproc-runtime/images/blinky.oci.tar").read_bytes()
        self.assertEqual(first, again)

    def test_what_a_recipe_must_not_say_is_refused(self):
        wrong = {
            "REMOTEPROC_BUNDLE": ("a/b", "../up", "two words", "-x", "%i"),
            "REMOTEPROC_ANNOTATIONS": ("remoteproc.recovery", "=x", "remoteproc.stop-timeout=soon"),
        }
        for variable, values in wrong.items():
            for value in values:
                with self.subTest(variable, value=value), self.assertRaises(bb.BBHandledException):
                    self.parsed(**{variable: value})
        for variable in ("REMOTEPROC_FIRMWARE", "REMOTEPROC_PROCESSOR"):
            self.assertTrue(self.parsed(**{variable: ""}).getVar("__SKIPPED"), variable)


class Example(unittest.TestCase):
    def test_it_is_made_from_source_and_is_the_firmware_of_the_tests(self):
        with Work() as work:
            native_tools(work)
            d = parsed(
                recipe("remoteproc-blink"), work, "stm32mp15common", DISTRO_FEATURES="systemd", TARGET_PREFIX="arm-none-eabi-"
            )
            unpack(d)
            run(d, "do_compile", "do_install")
            made = Path(d.getVar("B")) / "blink.elf"
            segments = ["arm-none-eabi-readelf", "--segments", "--wide"]
            said = [subprocess.run([*segments, file], check=True, stdout=subprocess.PIPE, text=True).stdout for file in (made, BLINK)]
            found, expected = ([line.split()[2:4] for line in text.splitlines() if "LOAD" in line] for text in said)
            self.assertEqual(found, expected)


if __name__ == "__main__":
    unittest.main()
