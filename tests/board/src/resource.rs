//! What the kernel asks of an entry of a resource table before it takes it (drivers/remoteproc/remoteproc_core.c,
//! rproc_handle_carveout, _devmem, _trace, _vdev; a processor here has no IOMMU).
//!
//! As in later kernels, vrings without a size do not fail a start: the firmware lacks its device (rproc_virtio_probe).

/// Checks an entry, from its type on to the end of the table. The error is what the kernel logs.
pub(crate) fn check(entry: &[u8]) -> Result<(), String> {
    let word = |at: usize| {
        let bytes = entry.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        u32::from_le_bytes(bytes.unwrap_or_default())
    };
    let have = entry.len().saturating_sub(4);
    let (name, needed, reserved) = match word(0) {
        0 => ("carveout", 52, 20),
        // rproc_handle_devmem answers before it looks, and without a word.
        1 => return Err(String::new()),
        2 => ("trace", 44, 12),
        3 => return vdev(entry, have, word(20)),
        _ => return Ok(()),
    };
    if have < needed {
        return Err(format!("{name} rsc is truncated"));
    }
    if word(reserved) != 0 {
        return Err(format!("{name} rsc has non zero reserved bytes"));
    }
    Ok(())
}

fn vdev(entry: &[u8], have: usize, config: u32) -> Result<(), String> {
    let byte = |at: usize| entry.get(at).copied().unwrap_or(0);
    let vrings = byte(25);
    if 24 + usize::from(vrings) * 20 + config as usize > have {
        return Err("vdev rsc is truncated".into());
    }
    if byte(26) != 0 || byte(27) != 0 {
        return Err("vdev rsc has non zero reserved bytes".into());
    }
    if vrings > 2 {
        return Err(format!("too many vrings: {vrings}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    /// An entry of `len` bytes behind its type, with one byte of it set.
    fn entry(kind: u8, len: usize, at: usize, value: u8) -> Result<(), String> {
        let mut bytes = vec![0; 4 + len];
        bytes[0] = kind;
        if let Some(byte) = bytes.get_mut(at + 4) {
            *byte = value;
        }
        check(&bytes)
    }

    #[test]
    fn each_kind_is_looked_at_as_by_the_kernel() {
        for (kind, len, at, value, says) in [
            (0, 52, 0, 1, "-"),
            (0, 51, 0, 1, "carveout rsc is truncated"),
            (0, 52, 16, 1, "carveout rsc has non zero reserved bytes"),
            (1, 52, 0, 1, ""),
            (2, 44, 0, 1, "-"),
            (2, 43, 0, 1, "trace rsc is truncated"),
            (2, 44, 8, 1, "trace rsc has non zero reserved bytes"),
            (3, 24, 0, 7, "-"),
            (3, 23, 0, 7, "vdev rsc is truncated"),
            (3, 24, 21, 1, "vdev rsc is truncated"),
            (3, 24, 16, 1, "vdev rsc is truncated"),
            (3, 44, 21, 1, "-"),
            (3, 24, 22, 1, "vdev rsc has non zero reserved bytes"),
            (3, 84, 21, 3, "too many vrings: 3"),
            (4, 0, 0, 0, "-"),
        ] {
            let result = entry(kind, len, at, value);
            assert_eq!(result.err().unwrap_or("-".into()), says, "{kind} {len} {at}");
        }
    }
}
