# Only with the distribution feature: a layer that is merely added changes no recipe.
require ${@bb.utils.contains('DISTRO_FEATURES', 'remoteproc', 'recipes-kernel/linux/remoteproc-kernel.inc', '', d)}
