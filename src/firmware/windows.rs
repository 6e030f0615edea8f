//! Whether a processor has memory where a firmware goes.

use std::cmp::Reverse;

use super::span::Span;
use crate::board::{ProcessorProfile, Region, Window};

/// What is known of a processor's memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows<'a> {
    profile: &'a ProcessorProfile,
    all: &'a [Window],
    /// What the device tree reserves for it, by Linux's addresses; `None` where there is no telling.
    reserved: Option<&'a [Region]>,
}

impl<'a> Windows<'a> {
    /// Those of a profile; `None` where it does not say.
    pub fn of(profile: &'a ProcessorProfile, reserved: Option<&'a [Region]>) -> Option<Self> {
        Some(Self { profile, all: profile.windows.as_deref()?, reserved })
    }

    /// The index of the window that takes `memory`. Drivers look at one window at a time: it must lie wholly in one.
    ///
    /// # Errors
    /// The rest of a sentence that begins with what should lie there.
    pub fn place(&self, memory: Span) -> Result<usize, String> {
        let mut refusal = None;
        for (index, window) in self.all.iter().enumerate().filter(|(_, window)| span(window).holds(memory)) {
            match self.objection(window, memory) {
                None => return Ok(index),
                Some(objection) => {
                    refusal.get_or_insert(objection);
                }
            }
        }
        Err(refusal.unwrap_or_else(|| self.outside(memory)))
    }

    /// Why a window that is large enough does not take it.
    fn objection(&self, window: &Window, memory: Span) -> Option<String> {
        let (name, whole) = (&window.name, span(window));
        if !window.reserved {
            let fills =
                memory.address.saturating_sub(window.address).saturating_add(memory.size) == window.size;
            return (self.profile.refuses_full_windows && fills).then(|| {
                format!("ends where window {name} ({whole}) does, and the driver refuses what fills a window to its end")
            });
        }
        // Carve-outs take the memory of a region to its end, whatever the driver does
        // (drivers/remoteproc/remoteproc_core.c, rproc_da_to_va).
        let regions = self.reserved?;
        let system = Span { address: window.system, size: window.size };
        let address = window.system.saturating_add(memory.address.saturating_sub(window.address));
        let there = Span { address, size: memory.size };
        let region = |region: &Region| Span { address: region.address, size: region.size };
        if regions.iter().any(|known| region(known).holds(there)) {
            return None;
        }
        // By the processor's addresses, as the firmware's linker script has them.
        let reserved: Vec<String> = regions
            .iter()
            .map(region)
            .filter(|known| system.overlap(*known) > 0)
            .map(|known| Span {
                address: known.address.wrapping_sub(window.system).wrapping_add(window.address),
                size: known.size,
            })
            .map(|known| known.to_string())
            .collect();
        Some(match reserved.is_empty() {
            true => format!(
                "lies in {name} ({whole}), of which the device tree reserves nothing for the processor"
            ),
            false => format!(
                "lies in {name} ({whole}), but not wholly in memory that the device tree reserves for the processor: {}",
                reserved.join(", ")
            ),
        })
    }

    fn outside(&self, memory: Span) -> String {
        let alias = self.profile.alias();
        // The one with the most of it, else the one that is least far away; the first of several.
        let near = |window: &&Window| (Reverse(span(window).overlap(memory)), span(window).distance(memory));
        match self.all.iter().min_by_key(near) {
            Some(window) => {
                let (name, whole) = (&window.name, span(window));
                format!("does not lie wholly in a window of {alias}; the nearest is {name} ({whole})")
            }
            None => format!("cannot be loaded: {alias} has no memory for firmware"),
        }
    }

    /// The name of the first of these windows for which only the board can tell.
    pub fn untold<'b>(&'b self, placed: impl Iterator<Item = usize>) -> Option<&'a str> {
        let reserved = placed.filter_map(|index| self.all.get(index)).find(|window| window.reserved)?;
        self.reserved.is_none().then_some(&reserved.name)
    }
}

/// The addresses of a window.
pub fn span(window: &Window) -> Span {
    Span { address: window.address, size: window.size }
}

/// How many bytes of a window these take: all of it at most, also where they overlap.
pub fn used(window: &Window, memory: impl Iterator<Item = Span>) -> u64 {
    memory.map(|part| part.size).fold(0, u64::saturating_add).min(window.size)
}
