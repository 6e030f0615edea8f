//! What a crash dump has of a processor.

use super::{Coredump, ERR, Loaded, Processor, Trace};
use crate::core_dump::{CoreDump, Identity};
use crate::processor_spec::Dumped;

impl Processor {
    /// A dump of at least `at_least` bytes, if there is to be one, and whether the recovery waits for its end
    /// (rproc_coredump in drivers/remoteproc/remoteproc_coredump.c).
    pub(crate) fn dump(&mut self, at_least: u64) -> Option<(CoreDump, bool)> {
        if self.coredump == Coredump::Disabled || self.dumped == Dumped::Nothing {
            return None;
        }
        let loaded = self.loaded.as_ref();
        let (identity, ranges) = match self.dumped {
            Dumped::Classless | Dumped::Nothing => {
                self.say(ERR, "Elf class is not set".into());
                return None;
            }
            Dumped::Firmware => {
                let ranges = loaded?.memory.iter().map(|segment| (segment.address, segment.len));
                (loaded?.identity, ranges.collect::<Vec<_>>())
            }
            Dumped::Memory(machine) => {
                let entry = loaded.map_or(0, |loaded| loaded.identity.entry);
                (Identity { wide: false, machine, entry }, self.dumped_memory())
            }
        };
        let segments: Vec<_> =
            ranges.into_iter().map(|(address, len)| (address, self.memory_at(address, len))).collect();
        let waits = self.coredump == Coredump::Inline;
        (!segments.is_empty()).then(|| (CoreDump::new(identity, &segments, at_least), waits))
    }

    /// What the driver has told to dump, and every trace buffer that does not begin where something told does
    /// (stm32_rproc_add_coredump_trace in drivers/remoteproc/stm32_rproc.c).
    fn dumped_memory(&self) -> Vec<(u64, u64)> {
        let mut ranges = self.memory.dumped();
        for Trace { buffer, .. } in self.loaded.iter().flat_map(|loaded| &loaded.traces) {
            if ranges.iter().all(|(address, _)| *address != buffer.address) {
                ranges.push((buffer.address, buffer.len));
            }
        }
        ranges
    }

    /// The processor's memory: zeros where nothing was loaded, and what the firmware has written to its traces.
    fn memory_at(&self, address: u64, len: u64) -> Vec<u8> {
        let mut dumped = vec![0; usize::try_from(len).unwrap_or_default()];
        let mut put = |at: u64, bytes: &[u8]| {
            let skip = usize::try_from(address.saturating_sub(at)).unwrap_or(usize::MAX);
            let start = usize::try_from(at.saturating_sub(address)).unwrap_or(usize::MAX);
            let Some(place) = dumped.get_mut(start..) else { return };
            place.iter_mut().zip(bytes.iter().skip(skip)).for_each(|(old, new)| *old = *new);
        };
        if let Some(Loaded { memory, traces, .. }) = &self.loaded {
            memory.iter().for_each(|segment| put(segment.address, &segment.bytes));
            for Trace { buffer, text, .. } in traces {
                let len = usize::try_from(buffer.len).unwrap_or(usize::MAX);
                put(buffer.address, text.get(..len).unwrap_or(text));
            }
        }
        dumped
    }
}
