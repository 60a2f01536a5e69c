//! One bit a row of a block.

use crate::store::BLOCK;

const WORDS: usize = BLOCK / 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits([u64; WORDS]);

impl Bits {
    pub const NONE: Self = Self([0; WORDS]);

    /// The first `count` rows.
    pub fn first(count: usize) -> Self {
        let mut bits = Self::NONE;
        for (number, word) in bits.0.iter_mut().enumerate() {
            let left = count.saturating_sub(number * 64);
            *word = if left >= 64 { u64::MAX } else { (1 << left) - 1 };
        }
        bits
    }

    /// The rows whose byte is 1, the others being 0.
    pub fn of_bytes(bytes: &[u8; BLOCK]) -> Self {
        let mut bits = Self::NONE;
        for (word, chunk) in bits.0.iter_mut().zip(bytes.chunks_exact(64)) {
            for (at, eight) in chunk.chunks_exact(8).enumerate() {
                let eight = u64::from_le_bytes(eight.try_into().expect("chunks of 8"));
                // Eight bytes of 0 or 1 become the eight bits of the highest byte.
                *word |= (eight.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (at * 8);
            }
        }
        bits
    }

    /// The rows whose byte is `wanted`.
    pub fn equal_bytes(bytes: &[u8; BLOCK], wanted: u8) -> Self {
        let mut bits = Self::NONE;
        for (at, sixteen) in bytes.as_chunks().0.iter().enumerate() {
            bits.0[at / 4] |= u64::from(sixteen::equal_bytes(sixteen, wanted)) << (16 * (at % 4));
        }
        bits
    }

    /// The rows whose word is `wanted`.
    pub fn equal_words(words: &[u16; BLOCK], wanted: u16) -> Self {
        let mut bits = Self::NONE;
        for (at, sixteen) in words.as_chunks().0.iter().enumerate() {
            bits.0[at / 4] |= u64::from(sixteen::equal_words(sixteen, wanted)) << (16 * (at % 4));
        }
        bits
    }

    pub fn has(&self, row: usize) -> bool {
        self.0[row / 64] >> (row % 64) & 1 == 1
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Whether there are at most `limit` of them.
    pub fn is_few(&self, limit: usize) -> bool {
        let mut count = 0;
        self.0.iter().all(|word| {
            count += word.count_ones() as usize;
            count <= limit
        })
    }

    pub fn set(&mut self, row: usize) {
        self.0[row / 64] |= 1 << (row % 64);
    }

    /// Drops the rows that `wanted` says no to.
    pub fn retain(&mut self, wanted: impl Fn(usize) -> bool) {
        for (number, word) in self.0.iter_mut().enumerate() {
            let mut left = *word;
            while left != 0 {
                if !wanted(number * 64 + left.trailing_zeros() as usize) {
                    *word &= !(left & left.wrapping_neg());
                }
                left &= left - 1;
            }
        }
    }

    pub fn and(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
    }

    pub fn or(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    pub fn without(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= !other);
    }

    pub fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(number, mut word)| {
            std::iter::from_fn(move || {
                let row = (word != 0).then(|| number * 64 + word.trailing_zeros() as usize);
                word &= word.wrapping_sub(1);
                row
            })
        })
    }
}

/// Sixteen comparisons at once, one bit each.
#[cfg(target_arch = "x86_64")]
mod sixteen {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_cmpeq_epi16, _mm_loadu_si128, _mm_movemask_epi8,
        _mm_packs_epi16, _mm_set1_epi8, _mm_set1_epi16,
    };

    pub fn equal_bytes(bytes: &[u8; 16], wanted: u8) -> u16 {
        // SAFETY: every x86-64 has SSE2; the load takes the 16 bytes, which may lie anywhere.
        unsafe {
            let bytes = _mm_loadu_si128(bytes.as_ptr().cast::<__m128i>());
            _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted as i8))) as u16
        }
    }

    pub fn equal_words(words: &[u16; 16], wanted: u16) -> u16 {
        // SAFETY: as above; the two loads take the 32 bytes.
        unsafe {
            let wanted = _mm_set1_epi16(wanted as i16);
            let halves = words.as_ptr().cast::<__m128i>();
            let low = _mm_cmpeq_epi16(_mm_loadu_si128(halves), wanted);
            let high = _mm_cmpeq_epi16(_mm_loadu_si128(halves.add(1)), wanted);
            _mm_movemask_epi8(_mm_packs_epi16(low, high)) as u16
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod sixteen {
    pub fn equal_bytes(bytes: &[u8; 16], wanted: u8) -> u16 {
        (0..16).map(|at| u16::from(bytes[at] == wanted) << at).sum()
    }

    pub fn equal_words(words: &[u16; 16], wanted: u16) -> u16 {
        (0..16).map(|at| u16::from(words[at] == wanted) << at).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_in_order() {
        let wanted = [0, 1, 63, 64, 500, 1023];
        let mut bytes = [0; BLOCK];
        wanted.iter().for_each(|row| bytes[*row] = 1);

        let bits = Bits::of_bytes(&bytes);

        assert_eq!(bits.rows().collect::<Vec<_>>(), wanted);
        assert_eq!(bits.count(), wanted.len());
    }

    #[test]
    fn equal_codes_are_found_wherever_they_are() {
        let mut codes = Box::new([0; BLOCK]);
        codes.iter_mut().enumerate().for_each(|(row, code)| *code = (row * row % 700) as u16);
        for wanted in [0, 1, 9, 0x8000, 699] {
            let rows: Vec<usize> = (0..BLOCK).filter(|row| codes[*row] == wanted).collect();
            assert_eq!(Bits::equal_words(&codes, wanted).rows().collect::<Vec<_>>(), rows);
            let bytes = Box::new(codes.map(|code| code as u8));
            let rows: Vec<usize> = (0..BLOCK).filter(|row| bytes[*row] == wanted as u8).collect();
            assert_eq!(Bits::equal_bytes(&bytes, wanted as u8).rows().collect::<Vec<_>>(), rows);
        }
    }

    #[test]
    fn first_rows_are_as_many() {
        for count in [0, 1, 63, 64, 65, 1000, 1024] {
            assert_eq!(
                Bits::first(count).rows().collect::<Vec<_>>(),
                (0..count).collect::<Vec<_>>()
            );
        }
    }
}
