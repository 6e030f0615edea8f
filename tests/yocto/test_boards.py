"""The profile that the layer names for the machines of the vendors' layers."""
import json
import re
import unittest

from harness import *

# MACHINEOVERRIDES as BitBake has them for these machines, less those that say nothing of the system-on-chip. The first line
# of each vendor names the layers that they are of.
MACHINES = """
# meta-freescale (scarthgap to wrynose), in NXP's and in the mainline flavour
imx7dsabresd          use-nxp-bsp:imx-generic-bsp:imx-nxp-bsp:mx7-generic-bsp:mx7-nxp-bsp:mx7d-generic-bsp:mx7d-nxp-bsp:mx7d                imx7d
imx7dsabresd          use-mainline-bsp:imx-generic-bsp:imx-mainline-bsp:mx7-generic-bsp:mx7-mainline-bsp:mx7d-generic-bsp:mx7d-mainline-bsp:mx7d  imx7d
imx8mm-lpddr4-evk     use-nxp-bsp:imx-generic-bsp:imx-nxp-bsp:mx8-generic-bsp:mx8-nxp-bsp:mx8m-generic-bsp:mx8m-nxp-bsp:mx8mm-generic-bsp:mx8mm-nxp-bsp:mx8mm  imx8mm
imx8mm-lpddr4-evk     use-mainline-bsp:imx-generic-bsp:imx-mainline-bsp:mx8-generic-bsp:mx8m-generic-bsp:mx8mm-generic-bsp:mx8mm-mainline-bsp:mx8mm  imx8mm
imx8mn-lpddr4-evk     use-nxp-bsp:imx-generic-bsp:mx8-generic-bsp:mx8m-generic-bsp:mx8mn-generic-bsp:mx8mn-nxp-bsp:mx8mn                    imx8mn
imx8mnul-ddr3l-evk    use-nxp-bsp:imx-generic-bsp:mx8-generic-bsp:mx8m-generic-bsp:mx8mnul-generic-bsp:mx8mnul-nxp-bsp:mx8mnul              imx8mn
imx8mp-lpddr4-evk     use-nxp-bsp:imx-generic-bsp:mx8-generic-bsp:mx8m-generic-bsp:mx8mp-generic-bsp:mx8mp-nxp-bsp:mx8mp                    imx8mp
imx8mq-evk            use-nxp-bsp:imx-generic-bsp:mx8-generic-bsp:mx8m-generic-bsp:mx8mq-generic-bsp:mx8mq-nxp-bsp:mx8mq                    imx8mq
imx8qm-mek            use-nxp-bsp:imx-generic-bsp:mx8-generic-bsp:mx8qm-generic-bsp:mx8qm-nxp-bsp:mx8qm                                     imx8qm
imx8qxp-mek           use-nxp-bsp:imx-generic-bsp:mx8-generic-bsp:mx8x-generic-bsp:mx8x-nxp-bsp:mx8qxp-generic-bsp:mx8qxp-nxp-bsp:mx8qxp    imx8qxp
imx8dx-mek            use-nxp-bsp:imx-generic-bsp:mx8-generic-bsp:mx8x-generic-bsp:mx8x-nxp-bsp:mx8dx-generic-bsp:mx8dx-nxp-bsp:mx8dx       imx8qxp
imx8dxl-lpddr4-evk    use-nxp-bsp:imx-generic-bsp:mx8-generic-bsp:mx8x-generic-bsp:mx8x-nxp-bsp:mx8dxl-generic-bsp:mx8dxl-nxp-bsp:mx8dxl    imx8qxp
imx8ulp-lpddr4-evk    use-nxp-bsp:imx-generic-bsp:mx8-generic-bsp:mx8ulp-generic-bsp:mx8ulp-nxp-bsp:mx8ulp                                  imx8ulp
imx93-11x11-lpddr4x-evk  use-nxp-bsp:imx-generic-bsp:mx9-generic-bsp:mx93-generic-bsp:mx93-nxp-bsp:mx93                                     imx93
imx95-19x19-lpddr5-evk   use-nxp-bsp:imx-generic-bsp:mx9-generic-bsp:mx95-generic-bsp:mx95-nxp-bsp:mx95                                     imx95
imx91-11x11-lpddr4-evk   use-nxp-bsp:imx-generic-bsp:mx9-generic-bsp:mx91-generic-bsp:mx91-nxp-bsp:mx91                                     -
imx6qdlsabresd        use-nxp-bsp:imx-generic-bsp:mx6-generic-bsp:mx6q-generic-bsp:mx6q                                                     -
# meta-st-stm32mp (mickledore, scarthgap)
stm32mp1              stcommon:stm32mpcommon:stm32mp1common:stm32mp15common:stm32mp13common                                                 -
stm32mp13-disco       stcommon:stm32mpcommon:stm32mp1common:stm32mp13common                                                                 -
stm32mp15-disco       stcommon:stm32mpcommon:stm32mp1common:stm32mp15common                                                                 stm32mp15
stm32mp15-eval        stcommon:stm32mpcommon:stm32mp1common:stm32mp15common                                                                 stm32mp15
stm32mp25-eval        stcommon:stm32mpcommon:stm32mp2common:stm32mp25common                                                                 stm32mp25
# meta-ti: meta-ti-bsp and meta-beagle (scarthgap, wrynose)
am62xx-evm            ti-soc:k3:am62xx                                                                                                      am62x
beagleplay            ti-soc:k3:am62xx                                                                                                      am62x
am62axx-evm           ti-soc:k3:am62axx                                                                                                     am62a
am62pxx-evm           ti-soc:k3:am62pxx                                                                                                     -
am64xx-evm            ti-soc:k3:am64xx                                                                                                      am64x
am65xx-evm            ti-soc:k3:am65xx                                                                                                      am65x
am68-sk               ti-soc:k3:j721s2                                                                                                      j721s2
am69-sk               ti-soc:k3:j784s4                                                                                                      j784s4
beagley-ai            ti-soc:k3:j722s                                                                                                       -
j7200-evm             ti-soc:k3:j7200                                                                                                       j7200
j721e-evm             ti-soc:k3:j721e                                                                                                       j721e
beaglebone-ai64       ti-soc:k3:j721e                                                                                                       j721e
j721s2-evm            ti-soc:k3:j721s2                                                                                                      j721s2
j742s2-evm            ti-soc:k3:j742s2                                                                                                      j784s4
j784s4-evm            ti-soc:k3:j784s4                                                                                                      j784s4
# meta-xilinx (scarthgap)
zynqmp-generic        zynqmp                                                                                                                zynqmp
versal-generic        versal                                                                                                                -
# OpenEmbedded-Core
qemuarm64             qemuall                                                                                                               -
"""


def machines():
    for line in MACHINES.splitlines():
        if line and not line.startswith("#"):
            yield line.split()


class Boards(unittest.TestCase):
    def board(self, machine, overrides, **variables):
        """The text of the file that the package has, or None."""
        with Work() as work:
            d = parsed(recipe("remoteproc-runtime-board"), work, f"{overrides}:{machine}", MACHINE=machine, **variables)
            run(d, "do_install")
            file = Path(d.getVar("D")) / "etc/remoteproc-runtime/board"
            self.assertEqual(file.exists(), "/etc/remoteproc-runtime/board" in d.getVar("CONFFILES:" + d.getVar("PN")).split())
            return file.read_text().strip() if file.exists() else None

    def test_each_machine_gets_its_profile(self):
        for machine, overrides, expected in machines():
            with self.subTest(machine, overrides=overrides):
                self.assertEqual(self.board(machine, overrides), None if expected == "-" else expected)

    def test_every_profile_has_a_machine(self):
        profiles = {path.stem for path in (PROJECT / "boards").glob("*.toml")}
        self.assertEqual({expected for _, _, expected in machines()} - {"-"}, profiles)

    def test_every_profile_has_a_family_of_drivers(self):
        with Work() as work:
            for path in (PROJECT / "boards").glob("*.toml"):
                d = parsed(recipe("remoteproc-runtime-board"), work, REMOTEPROC_BOARD=path.stem)
                self.assertTrue(d.getVar("REMOTEPROC_FAMILY"), path.stem)
                self.assertTrue(d.getVar("REMOTEPROC_MODULES_OF_FAMILY"), path.stem)

    def test_a_machine_or_a_distribution_names_another_one(self):
        self.assertEqual(self.board("mine", "mx8mp-generic-bsp", REMOTEPROC_BOARD="mine"), "mine")

    def test_a_profile_of_ones_own_is_installed_where_the_runtime_looks(self):
        with Work() as work:
            profile = work / "any.toml"
            profile.write_text('name = "mine"\ndescription = "Mine"\ncompatible = ["acme,mine"]\n[[processor]]\naliases = ["m4"]\nnames = ["m4"]\n')
            d = parsed(recipe("remoteproc-runtime-board"), work, REMOTEPROC_BOARD="mine", REMOTEPROC_BOARD_PROFILE=str(profile))
            run(d, "do_install")
            image = Path(d.getVar("D"))
            found = image / "usr/share/remoteproc-runtime/boards/mine.toml"
            self.assertEqual(found.read_text(), profile.read_text())
            check = [PROGRAMS / "remoteproc-runtime", "--host-root", image, "check", PROJECT / "tests/firmware/blink.elf"]
            said = subprocess.run([*check, "--format=json"], check=True, stdout=subprocess.PIPE).stdout
            self.assertEqual(json.loads(said)["board"]["name"], "mine")

    def test_the_linter_knows_the_machines_overrides(self):
        text = (LAYER / "classes/remoteproc-board.bbclass").read_text()
        used = set(re.findall(r"^REMOTEPROC_BOARD_OF_SOC:(\S+) =", text, re.MULTILINE))
        self.assertEqual(used, set(json.loads((HERE / "words.json").read_text())["replacements"]["machines"]))


if __name__ == "__main__":
    unittest.main()
