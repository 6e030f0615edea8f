"""Every recipe is parsed, names what is there, and packages what it installs."""
import fnmatch
import hashlib
import re
import tomllib
import unittest

from harness import *

FEATURES = ("", "systemd", "systemd sysvinit virtualization remoteproc ptest")
# Each recipe with a machine that it is for.
MACHINES = {"remoteproc-blink": "stm32mp15common"}


def every(**variables):
    """Each recipe with a name for the test, in each way that series and distributions give it."""
    for path in RECIPES:
        name = path.stem.split("_")[0]
        for features in FEATURES:
            for unpacked in ({}, {"UNPACKDIR": "sources"}):
                yield path, name, {"DISTRO_FEATURES": features, **unpacked, **variables}


class Recipes(unittest.TestCase):
    def test_each_is_parsed_in_every_series_and_distribution(self):
        for path, name, variables in every():
            with self.subTest(name, **variables), Work() as work:
                if "UNPACKDIR" in variables:
                    variables["UNPACKDIR"] = f"{work}/sources"
                d = parsed(path, work, MACHINES.get(name, ""), **variables)
                self.assertEqual(d.getVar("PN"), name)
                for variable in ("SUMMARY", "DESCRIPTION", "LICENSE"):
                    self.assertTrue(d.getVar(variable), variable)

    def test_every_file_that_a_recipe_fetches_is_there(self):
        for path, name, variables in every():
            with self.subTest(name, **variables), Work() as work:
                d = parsed(path, work, MACHINES.get(name, ""), **variables)
                for address in (d.getVar("SRC_URI") or "").split():
                    if address.startswith("file://"):
                        _, _, file, _, _, _ = bb.fetch2.decodeurl(address)
                        self.assertTrue(bb.utils.which(d.getVar("FILESPATH"), file), address)

    def test_every_licence_file_has_its_sum(self):
        for path, name, variables in every():
            with Work() as work:
                d = parsed(path, work, MACHINES.get(name, ""), **variables)
                for address in (d.getVar("LIC_FILES_CHKSUM") or "").split():
                    _, _, file, _, _, parameters = bb.fetch2.decodeurl(address)
                    if file.startswith("/common-licenses"):
                        continue
                    with self.subTest(name, file=file):
                        found = (PROJECT / file).read_bytes()
                        self.assertEqual(hashlib.md5(found).hexdigest(), parameters["md5"])

    def test_no_recipe_changes_without_its_distribution_feature(self):
        for append in APPENDS:
            with self.subTest(append.name), Work() as work:
                stub = work / f"{append.stem.split('_')[0]}_1.0.bb"
                stub.write_text('SRC_URI = "file://a"\n')
                plain = parsed(stub, work)
                with_append = parsed(stub, work, append=append)
                self.assertEqual(plain.getVar("SRC_URI"), with_append.getVar("SRC_URI"))


class Runtime(unittest.TestCase):
    def setUp(self):
        self.path = recipe("remoteproc-runtime")

    def test_version_is_that_of_the_sources(self):
        version = tomllib.loads((PROJECT / "Cargo.toml").read_text())["package"]["version"]
        self.assertEqual(self.path.stem, f"remoteproc-runtime_{version}")

    def test_an_older_rust_is_told_before_anything_is_built(self):
        needed = tomllib.loads((PROJECT / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
        with Work() as work:
            d = parsed(self.path, work)
            self.assertEqual(d.getVar("REMOTEPROC_RUNTIME_RUST"), needed)
            for rust, skipped in (("1.75%", True), ("1.86.0", True), (f"{needed}%", False), ("1.97.1%", False), ("2.0%", False)):
                with self.subTest(rust):
                    d = parsed(self.path, work, RUSTVERSION=rust)
                    self.assertEqual(bool(d.getVar("__SKIPPED")), skipped)

    def test_the_crates_are_those_of_the_lock_file(self):
        subprocess.run([LAYER / "scripts/update-crates", "--check"], check=True)
        locked = tomllib.loads((PROJECT / "Cargo.lock").read_text())["package"]
        expected = {(crate["name"], crate["version"]): crate["checksum"] for crate in locked if "source" in crate}
        with Work() as work:
            d = parsed(self.path, work)
            found = {}
            for address in d.getVar("SRC_URI").split():
                if address.startswith("crate://"):
                    name, version = address.split("/")[-2:]
                    found[name, version] = d.getVarFlag("SRC_URI", f"{name}-{version}.sha256sum")
        self.assertEqual(found, expected)

    def test_a_release_is_fetched_instead_of_the_sources_beside(self):
        with Work() as work:
            git = "git://git.example.com/remoteproc-runtime.git;protocol=https;branch=main"
            d = parsed(self.path, work, REMOTEPROC_RUNTIME_GIT=git, REMOTEPROC_RUNTIME_SRCREV="0123abc")
            self.assertIn(f"{git};destsuffix=remoteproc-runtime-0.1.0", d.getVar("SRC_URI"))
            self.assertNotIn("file://src", d.getVar("SRC_URI"))
            self.assertEqual(d.getVar("SRCREV"), "0123abc")
            self.assertEqual(d.getVar("REMOTEPROC_RUNTIME_COMMIT"), "0123abc")
            self.assertNotIn(str(LAYER.parent) + ":", d.getVar("FILESPATH"))

    def test_cargo_finds_all_that_it_needs_among_the_sources(self):
        with Work() as work:
            d = parsed(self.path, work)
            unpack(d)
            metadata = ["cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version=1"]
            subprocess.run([*metadata, f"--manifest-path={d.getVar('S')}/Cargo.toml"], check=True, stdout=subprocess.DEVNULL)

    def test_the_scenarios_find_what_is_built_into_them(self):
        with Work() as work:
            d = parsed(self.path, work, DISTRO_FEATURES="ptest")
            unpack(d)
            sources = list((Path(d.getVar("S")) / "tests/scenarios").rglob("*.rs"))
            self.assertGreater(len(sources), 10)
            for source in sources:
                for path in re.findall(r'include_(?:str|bytes)!\("(.*?)"\)', source.read_text()):
                    self.assertTrue((source.parent / path).exists(), f"{source.name}: {path}")

    def installed(self, work, **variables):
        """The recipe after its install task, with a program as the build would leave it."""
        d = parsed(self.path, work, **variables)
        unpack(d)
        run(d, "do_install")
        return d

    def test_what_is_installed_is_packaged_and_what_is_packaged_is_installed(self):
        with Work() as work:
            d = self.installed(work, PACKAGECONFIG="podman containerd docker")
            image = Path(d.getVar("D"))
            files = ["/" + str(path.relative_to(image)) for path in image.rglob("*") if not path.is_dir()]
            left = set(files)
            for package in d.getVar("PACKAGES").split():
                for pattern in (d.getVar(f"FILES:{package}") or "").split():
                    matching = [file for file in files if fnmatch.fnmatch(file, pattern) or file.startswith(pattern + "/")]
                    if package != "remoteproc-runtime":
                        self.assertTrue(matching, f"{package}: {pattern} matches nothing")
                    left -= set(matching)
            self.assertEqual(left, set())

    def test_each_engines_configuration_comes_with_its_packageconfig(self):
        paths = {
            "podman": "etc/containers/containers.conf.d/remoteproc.conf",
            "containerd": "etc/containerd/config.toml",
            "docker": "etc/docker/daemon.json",
        }
        for engine, path in paths.items():
            with self.subTest(engine), Work() as work:
                d = self.installed(work, PACKAGECONFIG=engine)
                found = {engine for engine, path in paths.items() if (Path(d.getVar("D")) / path).exists()}
                self.assertEqual(found, {engine})
                recommended = d.getVar("RRECOMMENDS:remoteproc-runtime:class-target")
                self.assertIn(f"remoteproc-runtime-{engine}", recommended.split())

    def test_the_machine_that_builds_gets_profiles_and_the_template_alone(self):
        with Work() as work:
            d = self.installed(work, native=True)
            shared = Path(d.getVar("D")) / "usr/share/remoteproc-runtime"
            self.assertTrue((shared / "boards/stm32mp15.toml").exists())
            self.assertTrue((shared / "remoteproc-runtime@.service").exists())
            self.assertFalse((Path(d.getVar("D")) / "etc").exists())


if __name__ == "__main__":
    unittest.main()
