# Of OpenEmbedded-Core.
RUSTFLAGS ??= ""
