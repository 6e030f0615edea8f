# The board profile of the machine: the families of boards/, by the overrides of the vendors' layers.
#
# REMOTEPROC_BOARD is its name, or empty where the device tree of the running board decides, as it does without this
# class. A machine or a distribution sets it for a board that is not in this list.

REMOTEPROC_BOARD ?= "${REMOTEPROC_BOARD_OF_SOC}"

REMOTEPROC_BOARD_OF_SOC = ""

# meta-freescale, conf/machine/include/imx-base.inc. Of its three kinds of overrides (generic, nxp, mainline) a board has
# the generic one whichever BSP is used.
REMOTEPROC_BOARD_OF_SOC:mx7d-generic-bsp = "imx7d"
REMOTEPROC_BOARD_OF_SOC:mx8mm-generic-bsp = "imx8mm"
REMOTEPROC_BOARD_OF_SOC:mx8mn-generic-bsp = "imx8mn"
REMOTEPROC_BOARD_OF_SOC:mx8mnul-generic-bsp = "imx8mn"
REMOTEPROC_BOARD_OF_SOC:mx8mp-generic-bsp = "imx8mp"
REMOTEPROC_BOARD_OF_SOC:mx8mq-generic-bsp = "imx8mq"
REMOTEPROC_BOARD_OF_SOC:mx8qm-generic-bsp = "imx8qm"
REMOTEPROC_BOARD_OF_SOC:mx8x-generic-bsp = "imx8qxp"
REMOTEPROC_BOARD_OF_SOC:mx8ulp-generic-bsp = "imx8ulp"
REMOTEPROC_BOARD_OF_SOC:mx93-generic-bsp = "imx93"
REMOTEPROC_BOARD_OF_SOC:mx95-generic-bsp = "imx95"

# meta-st-stm32mp, conf/machine/*.conf. The machine stm32mp1 is for the STM32MP13 too, which has no second processor: there
# the device tree decides.
REMOTEPROC_BOARD_OF_SOC:stm32mp15common = "stm32mp15"
REMOTEPROC_BOARD_OF_SOC:stm32mp13common = ""
REMOTEPROC_BOARD_OF_SOC:stm32mp25common = "stm32mp25"

# meta-ti, meta-ti-bsp/conf/machine/include/*.inc: SOC_FAMILY. The SoCs with names of their own in between, am62pxx, am62dxx,
# am62lxx and j722s, have no profile.
REMOTEPROC_BOARD_OF_SOC:am62xx = "am62x"
REMOTEPROC_BOARD_OF_SOC:am62axx = "am62a"
REMOTEPROC_BOARD_OF_SOC:am64xx = "am64x"
REMOTEPROC_BOARD_OF_SOC:am65xx = "am65x"
REMOTEPROC_BOARD_OF_SOC:j7200 = "j7200"
REMOTEPROC_BOARD_OF_SOC:j721e = "j721e"
REMOTEPROC_BOARD_OF_SOC:j721s2 = "j721s2"
REMOTEPROC_BOARD_OF_SOC:j742s2 = "j784s4"
REMOTEPROC_BOARD_OF_SOC:j784s4 = "j784s4"

# meta-xilinx, meta-xilinx-core/conf/machine/include/soc-zynqmp.inc: SOC_FAMILY.
REMOTEPROC_BOARD_OF_SOC:zynqmp = "zynqmp"

# Where REMOTEPROC_BOARD is none of the built-in profiles: the file with it, NAME.toml, by its whole path
# (boards/README.md says what is in it).
REMOTEPROC_BOARD_PROFILE ?= ""

# The family of its drivers, by which the kernel's options and modules are chosen: empty for a profile of one's own, for
# which a machine may set it.
REMOTEPROC_FAMILY ?= "${@remoteproc_family(d.getVar('REMOTEPROC_BOARD'))}"

def remoteproc_family(board):
    beginnings = (('imx', 'imx'), ('stm32mp', 'stm32mp'), ('am6', 'ti-k3'), ('j7', 'ti-k3'), ('zynqmp', 'zynqmp'))
    return next((family for beginning, family in beginnings if board.startswith(beginning)), '')
