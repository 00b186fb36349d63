//! Hostile and broken files: read or refused, never a panic, and no more memory than the file
//! justifies. What a fuzzer found worth keeping is where it starts.
//!
//! One test, because it measures the memory of the whole program. `make soak` makes it longer.

#[cfg(test)]
mod hewlett;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use peak_alloc::PeakAlloc;
    use silkline_sor::{read, write};

    use super::hewlett;

    #[global_allocator]
    static MEMORY: PeakAlloc = PeakAlloc;

    /// Bytes of memory that a byte of the file may cost: an event of 22 bytes takes 150 in memory,
    /// and a list that grows is there twice while it moves.
    const A_BYTE: usize = 24;

    /// Bytes that the smallest file may cost: warnings, and the names of blocks.
    const ANY_FILE: usize = 16 * 1_024;

    /// Changed files tried in `make test`.
    const RUNS: u64 = 20_000;

    /// Numbers at the edges of the fields.
    const EXTREMES: [[u8; 4]; 6] = [
        [0; 4],
        [0xFF; 4],
        [0xFF, 0xFF, 0xFF, 0x7F],
        [0, 0, 0, 0x80],
        [1, 0, 0, 0],
        [0xFF, 0x7F, 0, 0],
    ];

    /// A seeded source of numbers: splitmix64.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, below: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (mixed >> 33) as usize % below.max(1)
        }

        fn change(&mut self, bytes: &mut Vec<u8>, all: &[Vec<u8>]) {
            let at = self.roll(bytes.len());
            match self.roll(6) {
                0 => bytes.truncate(at),
                1 => bytes[at] ^= 1 << self.roll(8),
                2 => {
                    let end = (at + 4).min(bytes.len());
                    let extreme = EXTREMES[self.roll(EXTREMES.len())];
                    bytes[at..end].copy_from_slice(&extreme[..end - at]);
                }
                3 => drop(bytes.drain(at..(at + self.roll(40)).min(bytes.len()))),
                4 => {
                    let other = &all[self.roll(all.len())];
                    let from = self.roll(other.len());
                    let piece = &other[from..(from + self.roll(200)).min(other.len())];
                    bytes.splice(at..at, piece.iter().copied());
                }
                _ => {
                    let count = self.roll(8);
                    bytes.splice(at..at, std::iter::repeat_n(0, count));
                }
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the corpus is files")]
    fn corpus() -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/read");
        let files = std::fs::read_dir(folder).unwrap();
        let mut found: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        found.sort();
        let mut all: Vec<_> = found
            .iter()
            .map(|path| std::fs::read(path).unwrap())
            .collect();
        let mut old = hewlett::blocks();
        // The samples are most of the file and the dullest of it.
        old.retain(|(name, ..)| *name != "HPSpecialInfo");
        all.push(hewlett::file(&old));
        all
    }

    /// `make soak` speaks through the environment.
    fn runs() -> u64 {
        let soak = std::env::var_os("SILKLINE_MODEL_RUNS").is_some();
        if soak { RUNS * 100 } else { RUNS }
    }

    /// Reads, and if there is a trace writes it and reads it again; says what reading took.
    fn exercise(bytes: &[u8]) -> usize {
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage();
        let found = read(bytes);
        let taken = MEMORY.peak_usage().saturating_sub(before);
        assert!(
            taken <= ANY_FILE + A_BYTE * bytes.len(),
            "{taken} bytes of memory for a file of {}",
            bytes.len()
        );
        if let Ok(found) = found {
            let again = read(&write(&found)).unwrap();
            assert_eq!(again.curve, found.curve);
            assert!(found.first_sample_m().is_finite());
        }
        taken
    }

    #[test]
    fn no_file_panics_or_takes_memory_it_does_not_justify() {
        let corpus = corpus();
        assert!(corpus.len() > 10, "the corpus is missing");
        let mut most = 0.0_f64;
        let mut tally = |bytes: &[u8]| {
            let taken = exercise(bytes);
            if bytes.len() > 2_000 {
                most = most.max(taken as f64 / bytes.len() as f64);
            }
        };
        for file in corpus.iter().filter(|file| file.len() < 2_000) {
            for at in 0..file.len() {
                tally(&file[..at]);
                let mut bytes = file.clone();
                let end = (at + 4).min(bytes.len());
                for extreme in EXTREMES {
                    bytes[at..end].copy_from_slice(&extreme[..end - at]);
                    tally(&bytes);
                }
            }
        }
        // An event table that is nothing else, as dense as events can be.
        let mut blocks = hewlett::blocks();
        for (name, _, bytes) in &mut blocks {
            if *name == "KeyEvents" {
                let event = [&[1, 0][..], &[0; 12], b"1F9999LS\0"].concat();
                *bytes = [&30_000_u16.to_le_bytes()[..], &event.repeat(30_000)].concat();
            }
        }
        tally(&hewlett::file(&blocks));

        let runs = runs();
        let mut dice = Dice(0x5EED);
        for _ in 0..runs {
            let mut bytes = corpus[dice.roll(corpus.len())].clone();
            for _ in 0..=dice.roll(6) {
                if !bytes.is_empty() {
                    dice.change(&mut bytes, &corpus);
                }
            }
            tally(&bytes);
        }
        println!("{runs} changed files; at most {most:.1} bytes of memory a byte of the file");
    }
}
