//! CRC-32C and CRC-64/NVME, eight bytes at a time, and the CRC of two pieces from the CRCs of each.

/// A reflected CRC with all bits set before and inverted after.
#[derive(Debug)]
pub(crate) struct Family {
    polynomial: u64,
    width: u32,
    tables: [[u64; 256]; 8],
}

pub(crate) static CRC32: Family = Family::new(0xEDB8_8320, 32);
pub(crate) static CRC32C: Family = Family::new(0x82F6_3B78, 32);
pub(crate) static CRC64_NVME: Family = Family::new(0x9A6C_9329_AC4B_C9B5, 64);

impl Family {
    /// `polynomial` is in its reflected form.
    #[expect(clippy::indexing_slicing, reason = "const evaluation proves the bounds")]
    const fn new(polynomial: u64, width: u32) -> Self {
        let mut tables = [[0; 256]; 8];
        let mut byte = 0;
        while byte < 256 {
            let mut value = byte as u64;
            let mut bit = 0;
            while bit < 8 {
                let low = value & 1 == 1;
                value >>= 1;
                if low {
                    value ^= polynomial;
                }
                bit += 1;
            }
            tables[0][byte] = value;
            byte += 1;
        }
        let mut table = 1;
        while table < 8 {
            let mut byte = 0;
            while byte < 256 {
                let before = tables[table - 1][byte];
                tables[table][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
                byte += 1;
            }
            table += 1;
        }
        Self { polynomial, width, tables }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the table is masked below 8 and the other index is a byte"
    )]
    fn at(&self, table: usize, byte: u64) -> u64 {
        self.tables[table & 7][(byte & 0xFF) as usize]
    }

    fn ones(&self) -> u64 {
        u64::MAX >> (64 - self.width)
    }

    /// The CRC of two pieces, the second of which is `len` bytes long.
    pub(crate) fn combine(&self, first: u64, second: u64, len: u64) -> u64 {
        // Appending a zero bit is a linear map; squaring it doubles the number of bits.
        let mut map: Vec<u64> = (0..self.width)
            .map(|bit| match bit {
                0 => self.polynomial,
                bit => 1 << (bit - 1),
            })
            .collect();
        for _ in 0..3 {
            map = square(&map);
        }
        let (mut crc, mut left) = (first, len);
        while left > 0 {
            if left & 1 == 1 {
                crc = apply(&map, crc);
            }
            map = square(&map);
            left >>= 1;
        }
        crc ^ second
    }
}

fn apply(map: &[u64], value: u64) -> u64 {
    let set = map.iter().enumerate().filter(|(bit, _)| value >> bit & 1 == 1);
    set.fold(0, |sum, (_, column)| sum ^ column)
}

fn square(map: &[u64]) -> Vec<u64> {
    map.iter().map(|column| apply(map, *column)).collect()
}

/// A CRC in the making.
#[derive(Debug, Clone)]
pub(crate) struct Crc {
    family: &'static Family,
    state: u64,
}

impl Crc {
    pub(crate) fn new(family: &'static Family) -> Self {
        Self { family, state: family.ones() }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let family = self.family;
        let mut state = self.state;
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            let x = state ^ u64::from_le_bytes(*word);
            state = family.at(7, x)
                ^ family.at(6, x >> 8)
                ^ family.at(5, x >> 16)
                ^ family.at(4, x >> 24)
                ^ family.at(3, x >> 32)
                ^ family.at(2, x >> 40)
                ^ family.at(1, x >> 48)
                ^ family.at(0, x >> 56);
        }
        for byte in rest {
            state = family.at(0, state ^ u64::from(*byte)) ^ (state >> 8);
        }
        self.state = state;
    }

    pub(crate) fn finish(&self) -> u64 {
        self.state ^ self.family.ones()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(family: &'static Family, bytes: &[u8]) -> u64 {
        let mut crc = Crc::new(family);
        crc.update(bytes);
        crc.finish()
    }

    #[test]
    fn published_check_values() {
        assert_eq!(of(&CRC32, b"123456789"), 0xCBF4_3926);
        assert_eq!(of(&CRC32C, b"123456789"), 0xE306_9283);
        assert_eq!(of(&CRC64_NVME, b"123456789"), 0xAE8B_1486_0A79_9888);
    }

    #[test]
    fn pieces_combine_to_the_whole() {
        let text: Vec<u8> = (0..10_007u32).map(|n| ((n * 31) >> 3) as u8).collect();
        for family in [&CRC32, &CRC32C, &CRC64_NVME] {
            for cut in [0, 1, 8, 4_096, 10_000, 10_007] {
                let (a, b) = text.split_at(cut);
                let combined = family.combine(of(family, a), of(family, b), b.len() as u64);
                assert_eq!(combined, of(family, &text), "{cut}");
            }
        }
    }
}
