//! The two cyclic redundancy checks that no crate of ours has: CRC-32C and CRC-64/NVME, eight bytes
//! at a time.

/// A reflected CRC with all bits set before and inverted after, and its tables.
#[derive(Debug)]
pub struct Tables {
    tables: [[u64; 256]; 8],
    width: u32,
}

pub static CRC32C: Tables = Tables::new(0x82F6_3B78, 32);
pub static CRC64_NVME: Tables = Tables::new(0x9A6C_9329_AC4B_C9B5, 64);

impl Tables {
    /// `polynomial` is in its reflected form.
    #[expect(
        clippy::indexing_slicing,
        reason = "const evaluation proves that each index is in bounds"
    )]
    const fn new(polynomial: u64, width: u32) -> Self {
        let mut tables = [[0; 256]; 8];
        let mut byte = 0;
        while byte < 256 {
            let mut value = byte as u64;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { (value >> 1) ^ polynomial } else { value >> 1 };
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
        Self { tables, width }
    }

    #[expect(clippy::indexing_slicing, reason = "table is below 8 and the other index is a byte")]
    fn at(&self, table: usize, byte: u64) -> u64 {
        self.tables[table & 7][(byte & 0xFF) as usize]
    }
}

/// A check in the making.
#[derive(Debug, Clone)]
pub struct Crc {
    tables: &'static Tables,
    value: u64,
}

impl Crc {
    pub fn new(tables: &'static Tables) -> Self {
        Self { tables, value: u64::MAX >> (64 - tables.width) }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        let tables = self.tables;
        for word in words {
            let word = u64::from_le_bytes(*word) ^ self.value;
            self.value = (0..8).fold(0, |value, i| value ^ tables.at(7 - i, word >> (8 * i)));
        }
        for byte in rest {
            let index = self.value ^ u64::from(*byte);
            self.value = (self.value >> 8) ^ tables.at(0, index);
        }
    }

    /// In network order.
    pub fn finish(self) -> Vec<u8> {
        let value = !self.value;
        let bytes = value.to_be_bytes();
        bytes.iter().skip(8 - (self.tables.width / 8) as usize).copied().collect()
    }
}
