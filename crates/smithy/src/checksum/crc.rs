//! CRC-32C and CRC-64/NVME, sixteen bytes at a time, and the CRC of two pieces from the CRCs of each.

/// A reflected CRC with all bits set before and inverted after.
#[derive(Debug)]
pub(super) struct Family {
    polynomial: u64,
    width: u32,
    tables: [[u64; 256]; 16],
}

pub(super) static CRC32: Family = Family::new(0xEDB8_8320, 32);
pub(super) static CRC32C: Family = Family::new(0x82F6_3B78, 32);
pub(super) static CRC64_NVME: Family = Family::new(0x9A6C_9329_AC4B_C9B5, 64);

impl Family {
    /// `polynomial` is in its reflected form.
    #[expect(clippy::indexing_slicing, reason = "const evaluation proves the bounds")]
    const fn new(polynomial: u64, width: u32) -> Self {
        let mut tables = [[0; 256]; 16];
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
        while table < 16 {
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
        reason = "the table is masked below 16 and the other index is a byte"
    )]
    fn at(&self, table: usize, byte: u64) -> u64 {
        self.tables[table & 15][(byte & 0xFF) as usize]
    }

    /// What eight bytes come to with `after` more behind them.
    #[inline]
    fn word(&self, after: usize, x: u64) -> u64 {
        self.at(after + 7, x)
            ^ self.at(after + 6, x >> 8)
            ^ self.at(after + 5, x >> 16)
            ^ self.at(after + 4, x >> 24)
            ^ self.at(after + 3, x >> 32)
            ^ self.at(after + 2, x >> 40)
            ^ self.at(after + 1, x >> 48)
            ^ self.at(after, x >> 56)
    }

    fn ones(&self) -> u64 {
        u64::MAX >> (64 - self.width)
    }

    /// The CRC of two pieces, the second of which is `len` bytes long.
    pub(super) fn combine(&self, first: u64, second: u64, len: u64) -> u64 {
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
pub(super) struct Crc {
    family: &'static Family,
    state: u64,
}

impl Crc {
    pub(super) fn new(family: &'static Family) -> Self {
        Self { family, state: family.ones() }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        let family = self.family;
        let mut state = self.state;
        let (blocks, rest) = bytes.as_chunks::<16>();
        for block in blocks {
            let block = u128::from_le_bytes(*block) ^ u128::from(state);
            let (low, high) = (block as u64, (block >> 64) as u64);
            state = family.word(8, low) ^ family.word(0, high);
        }
        for byte in rest {
            state = family.at(0, state ^ u64::from(*byte)) ^ (state >> 8);
        }
        self.state = state;
    }

    pub(super) fn finish(&self) -> u64 {
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
