# Of OpenEmbedded-Core.
LICENSE ?= "MIT"
