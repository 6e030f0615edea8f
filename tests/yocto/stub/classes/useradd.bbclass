# Of OpenEmbedded-Core.
