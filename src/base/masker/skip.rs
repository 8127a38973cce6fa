//! Passes quickly over text that no pattern begins in: looks at four bytes, and from what patterns
//! have there tells how far on the next beginning can be at the earliest.

use std::collections::BTreeSet;

use super::MIN_LENGTH;

/// The bytes of every pattern that are looked at: its first ones.
pub(super) const WINDOW: usize = MIN_LENGTH;
/// Bytes that are looked at together.
const BLOCK: usize = 4;
/// Where a block is in no window.
const FARTHEST: u8 = 5;
const _: () = assert!(FARTHEST as usize == WINDOW - BLOCK + 1);
const SMALLEST_TABLE: u32 = 10;
/// Entries of one byte; a larger table would leave the processor's caches.
const LARGEST_TABLE: u32 = 19;

/// How far on the next beginning of a pattern can be, by the last block of a window.
pub(super) struct Skip {
    shifts: Vec<u8>,
    bits: u32,
}

impl Skip {
    /// Learns the patterns; none when one of them is shorter than a window.
    pub(super) fn new(patterns: &BTreeSet<Vec<u8>>) -> Option<Self> {
        let windows: BTreeSet<&[u8; WINDOW]> =
            patterns.iter().map(|pattern| pattern.first_chunk()).collect::<Option<_>>()?;
        let entries = windows.len().saturating_mul(16 * WINDOW).next_power_of_two();
        let bits = entries.ilog2().clamp(SMALLEST_TABLE, LARGEST_TABLE);
        let mut skip = Self { shifts: vec![FARTHEST; 1 << bits], bits };
        for window in windows {
            for (block, to_end) in window.windows(BLOCK).rev().zip(0u8..) {
                let place = skip.place(block.first_chunk().copied().unwrap_or_default());
                if let Some(shift) = skip.shifts.get_mut(place) {
                    *shift = to_end.min(*shift);
                }
            }
        }
        Some(skip)
    }

    /// The first place where a pattern may begin; what comes before it is passed over. The last bytes
    /// of the text are such a place, as they are no whole window.
    pub(super) fn next(&self, text: &[u8]) -> usize {
        let mut at = 0;
        while let Some(block) = text.get(at + WINDOW - BLOCK..).and_then(<[u8]>::first_chunk) {
            match self.shifts.get(self.place(*block)) {
                Some(&shift) if shift > 0 => at += usize::from(shift),
                _ => return at,
            }
        }
        at.min(text.len())
    }

    fn place(&self, block: [u8; BLOCK]) -> usize {
        let mixed = u32::from_le_bytes(block).wrapping_mul(0x9e37_79b1);
        (mixed >> (u32::BITS - self.bits)) as usize
    }
}
