# Of OpenEmbedded-Core.
PTEST_PATH ?= "/usr/lib/${BPN}/ptest"
PTEST_ENABLED = "${@bb.utils.contains('DISTRO_FEATURES', 'ptest', '1', '0', d)}"
