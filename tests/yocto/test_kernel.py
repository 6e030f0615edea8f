"""The kernel's options: for linux-yocto with the distribution feature, for a vendor's kernel by a line in its append."""
import re
import unittest

from harness import *

INCLUDE = "require recipes-kernel/linux/remoteproc-kernel.inc\n"
FRAGMENTS = {"mx93-generic-bsp": "imx", "stm32mp15common": "stm32mp", "j721e": "ti-k3", "zynqmp": "zynqmp", "qemuall": None}


class Kernel(unittest.TestCase):
    def kernel(self, work, overrides="", text="", append=None, **variables):
        """A vendor's or linux-yocto's recipe."""
        path = work / "linux-yocto_6.6.bb"
        path.write_text(f'SRC_URI = "git://kernel"\nKERNEL_CONFIG_FRAGMENTS = "own.config"\n{text}')
        return parsed(path, work, overrides, append=append, **variables)

    def test_linux_yocto_has_them_with_the_distribution_feature_alone(self):
        (append,) = [path for path in APPENDS if path.name.startswith("linux-yocto_")]
        with Work() as work:
            plain = self.kernel(work, append=append)
            self.assertEqual(plain.getVar("SRC_URI"), "git://kernel")
            wished = self.kernel(work, append=append, DISTRO_FEATURES="remoteproc")
            self.assertIn("file://remoteproc.cfg", wished.getVar("SRC_URI").split())

    def test_a_vendors_kernel_has_those_of_its_family(self):
        for overrides, family in FRAGMENTS.items():
            with self.subTest(overrides), Work() as work:
                d = self.kernel(work, overrides, INCLUDE)
                expected = ["remoteproc.cfg"] + ([f"{family}.cfg"] if family else [])
                self.assertEqual(d.getVar("SRC_URI").split()[1:], [f"file://{name}" for name in expected])
                merged = d.getVar("KERNEL_CONFIG_FRAGMENTS").split()
                self.assertEqual(merged, ["own.config"] + [f"{work}/{name}" for name in expected])
                for name in expected:
                    self.assertTrue(bb.utils.which(d.getVar("FILESPATH"), name), name)

    def test_a_distribution_with_tests_has_what_the_scenarios_take(self):
        with Work() as work:
            self.assertIn("file://ptest.cfg", self.kernel(work, "", INCLUDE, DISTRO_FEATURES="ptest").getVar("SRC_URI").split())

    def test_files_lie_where_the_series_unpacks_them(self):
        with Work() as work:
            d = self.kernel(work, "stm32mp15common", INCLUDE, UNPACKDIR="/unpacked")
            self.assertIn("/unpacked/stm32mp.cfg", d.getVar("KERNEL_CONFIG_FRAGMENTS").split())

    def test_fragments_have_options_and_comments_alone(self):
        fragments = list(LAYER.glob("recipes-kernel/linux/remoteproc/*.cfg"))
        self.assertEqual({path.stem for path in fragments} - {"remoteproc", "ptest"}, {name for name in FRAGMENTS.values() if name})
        for path in fragments:
            for line in path.read_text().splitlines():
                self.assertRegex(line, re.compile(r"^(# \S.*|CONFIG_[A-Z0-9_]+=[ym])$"), path.name)


if __name__ == "__main__":
    unittest.main()
