//! `memcpy`, `memmove` and `memcmp` for the static binary: musl's own take twice as long for the
//! short copies that JSON and HTTP are made of. Elsewhere they are compiled for their tests only.

use core::arch::asm;
use core::arch::x86_64::{
    __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_storeu_si128,
};

type To = *mut u8;
type From = *const u8;

/// Up to here a copy is a few loads, then a few stores.
const SHORT: usize = 64;

/// # Safety
/// As C's `memcpy`: `bytes` bytes at both places, which don't overlap.
#[cfg_attr(all(target_env = "musl", not(test)), unsafe(no_mangle))]
pub unsafe extern "C" fn memcpy(to: To, from: From, bytes: usize) -> To {
    // SAFETY: the caller's promise.
    unsafe { if bytes <= SHORT { short(to, from, bytes) } else { forward(to, from, bytes) } }
    to
}

/// # Safety
/// As C's `memmove`: `bytes` bytes at both places.
#[cfg_attr(all(target_env = "musl", not(test)), unsafe(no_mangle))]
pub unsafe extern "C" fn memmove(to: To, from: From, bytes: usize) -> To {
    // SAFETY: the caller's promise; a copy in the right direction reads before it overwrites.
    unsafe {
        if bytes <= SHORT {
            short(to, from, bytes);
        } else if (to as usize).wrapping_sub(from as usize) >= bytes {
            forward(to, from, bytes);
        } else {
            backward(to, from, bytes);
        }
    }
    to
}

/// # Safety
/// As C's `memcmp`: `bytes` bytes at both places.
#[cfg_attr(all(target_env = "musl", not(test)), unsafe(no_mangle))]
pub unsafe extern "C" fn memcmp(one: From, other: From, bytes: usize) -> i32 {
    // SAFETY: no load goes beyond `bytes`.
    unsafe {
        let mut at = 0;
        while at + 16 <= bytes {
            let same = _mm_cmpeq_epi8(load(one.add(at)), load(other.add(at)));
            let differ = _mm_movemask_epi8(same) as u32 ^ 0xffff;
            if differ != 0 {
                let at = at + differ.trailing_zeros() as usize;
                return i32::from(*one.add(at)) - i32::from(*other.add(at));
            }
            at += 16;
        }
        if at + 8 <= bytes {
            let word = |place: From| u64::from_be_bytes(place.add(at).cast::<[u8; 8]>().read());
            let (left, right) = (word(one), word(other));
            if left != right {
                return if left < right { -1 } else { 1 };
            }
            at += 8;
        }
        while at < bytes {
            let (left, right) = (*one.add(at), *other.add(at));
            if left != right {
                return i32::from(left) - i32::from(right);
            }
            at += 1;
        }
    }
    0
}

/// # Safety
/// As `memcmp`.
#[cfg(not(test))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bcmp(one: From, other: From, bytes: usize) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { memcmp(one, other, bytes) }
}

#[inline(always)]
unsafe fn load(from: From) -> __m128i {
    // SAFETY: 16 bytes may be read; they need not be aligned.
    unsafe { _mm_loadu_si128(from.cast()) }
}

#[inline(always)]
unsafe fn store(to: To, value: __m128i) {
    // SAFETY: 16 bytes may be written; they need not be aligned.
    unsafe { _mm_storeu_si128(to.cast(), value) }
}

/// Everything is loaded before anything is stored, so the places may overlap.
#[inline(always)]
unsafe fn short(to: To, from: From, bytes: usize) {
    // SAFETY: each branch touches the first and the last so many bytes, of which there are enough.
    unsafe {
        if bytes > 32 {
            let head = (load(from), load(from.add(16)));
            let tail = (load(from.add(bytes - 32)), load(from.add(bytes - 16)));
            store(to, head.0);
            store(to.add(16), head.1);
            store(to.add(bytes - 32), tail.0);
            store(to.add(bytes - 16), tail.1);
        } else if bytes >= 16 {
            let (head, tail) = (load(from), load(from.add(bytes - 16)));
            store(to, head);
            store(to.add(bytes - 16), tail);
        } else if bytes >= 8 {
            both_ends::<u64>(to, from, bytes);
        } else if bytes >= 4 {
            both_ends::<u32>(to, from, bytes);
        } else if bytes >= 2 {
            both_ends::<u16>(to, from, bytes);
        } else if bytes == 1 {
            *to = *from;
        }
    }
}

#[inline(always)]
unsafe fn both_ends<T: Copy>(to: To, from: From, bytes: usize) {
    let behind = bytes - size_of::<T>();
    // SAFETY: there are at least as many bytes as a `T` has.
    unsafe {
        let head = from.cast::<T>().read_unaligned();
        let tail = from.add(behind).cast::<T>().read_unaligned();
        to.cast::<T>().write_unaligned(head);
        to.add(behind).cast::<T>().write_unaligned(tail);
    }
}

/// More than 64 bytes, from the front. In assembly: the compiler would make a loop a `memcpy`.
#[inline(always)]
unsafe fn forward(to: To, from: From, bytes: usize) {
    // SAFETY: the loop stops before the last 64 bytes or within them, and those were loaded before
    // anything was stored.
    unsafe {
        let tail = from.add(bytes - 64);
        let tail = (load(tail), load(tail.add(16)), load(tail.add(32)), load(tail.add(48)));
        asm!(
            "2:",
            "movdqu {a}, [{from}]",
            "movdqu {b}, [{from} + 16]",
            "movdqu {c}, [{from} + 32]",
            "movdqu {d}, [{from} + 48]",
            "movdqu [{to}], {a}",
            "movdqu [{to} + 16], {b}",
            "movdqu [{to} + 32], {c}",
            "movdqu [{to} + 48], {d}",
            "add {from}, 64",
            "add {to}, 64",
            "sub {left}, 64",
            "ja 2b",
            from = inout(reg) from => _,
            to = inout(reg) to => _,
            left = inout(reg) bytes - 64 => _,
            a = out(xmm_reg) _,
            b = out(xmm_reg) _,
            c = out(xmm_reg) _,
            d = out(xmm_reg) _,
            options(nostack)
        );
        let end = to.add(bytes - 64);
        store(end, tail.0);
        store(end.add(16), tail.1);
        store(end.add(32), tail.2);
        store(end.add(48), tail.3);
    }
}

/// More than 64 bytes, from the back.
#[inline(always)]
unsafe fn backward(to: To, from: From, bytes: usize) {
    // SAFETY: the loop stops with 1 to 64 bytes left in front, and those were loaded before.
    unsafe {
        let head = (load(from), load(from.add(16)), load(from.add(32)), load(from.add(48)));
        asm!(
            "2:",
            "movdqu {a}, [{from} + {left} - 16]",
            "movdqu {b}, [{from} + {left} - 32]",
            "movdqu {c}, [{from} + {left} - 48]",
            "movdqu {d}, [{from} + {left} - 64]",
            "movdqu [{to} + {left} - 16], {a}",
            "movdqu [{to} + {left} - 32], {b}",
            "movdqu [{to} + {left} - 48], {c}",
            "movdqu [{to} + {left} - 64], {d}",
            "sub {left}, 64",
            "cmp {left}, 64",
            "ja 2b",
            from = in(reg) from,
            to = in(reg) to,
            left = inout(reg) bytes => _,
            a = out(xmm_reg) _,
            b = out(xmm_reg) _,
            c = out(xmm_reg) _,
            d = out(xmm_reg) _,
            options(nostack)
        );
        store(to, head.0);
        store(to.add(16), head.1);
        store(to.add(32), head.2);
        store(to.add(48), head.3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: std::ops::Range<usize> = 0..300;

    fn noise() -> Vec<u8> {
        (0..1200_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    }

    #[test]
    fn copies_what_is_asked_and_nothing_else() {
        let source = noise();
        for bytes in LENGTHS {
            let mut found = vec![7; 400];
            let mut wanted = found.clone();
            wanted[3..3 + bytes].copy_from_slice(&source[5..5 + bytes]);
            // SAFETY: both are long enough.
            unsafe { memcpy(found[3..].as_mut_ptr(), source[5..].as_ptr(), bytes) };
            assert_eq!(found, wanted, "{bytes} bytes");
        }
    }

    #[test]
    fn moves_between_places_that_overlap() {
        for bytes in LENGTHS {
            for (from, to) in
                [(300, 300), (300, 301), (301, 300), (300, 363), (363, 300), (300, 410)]
            {
                let mut found = noise();
                let mut wanted = found.clone();
                wanted.copy_within(from..from + bytes, to);
                let start = found.as_mut_ptr();
                // SAFETY: all places lie inside.
                unsafe { memmove(start.add(to), start.add(from), bytes) };
                assert_eq!(found, wanted, "{bytes} bytes from {from} to {to}");
            }
        }
    }

    #[test]
    fn compares_as_slices_do() {
        let one = noise();
        for bytes in LENGTHS {
            for changed in (0..bytes).chain([bytes]) {
                let mut other = one.clone();
                other[changed] = other[changed].wrapping_add(100);
                // SAFETY: both are long enough.
                let found = unsafe { memcmp(one.as_ptr(), other.as_ptr(), bytes) };
                assert_eq!(found.cmp(&0), one[..bytes].cmp(&other[..bytes]), "{bytes}, {changed}");
            }
        }
    }
}
