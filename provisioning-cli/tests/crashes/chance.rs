//! Numbers by seed: the same for every run of the tests.

/// How many seeds a test takes: `PROVISIONING_SEEDS`, or what is enough for every day.
pub(crate) fn seeds(every_day: usize) -> usize {
    let told = std::env::var("PROVISIONING_SEEDS").ok();
    told.map_or(every_day, |told| told.parse().expect("PROVISIONING_SEEDS is a number"))
}

/// Numbers that follow from a seed (`SplitMix64`).
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn of(seed: usize) -> Self {
        Self(seed as u64)
    }

    /// A number from 1 to `most`.
    pub(crate) fn up_to(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        1 + usize::try_from((mixed ^ (mixed >> 31)) % most as u64).expect("it was one")
    }
}
