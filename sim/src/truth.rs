//! What really lies there, as far as a plant file leaves it open: one draw from all cables that the
//! survey in the file could have been a survey of.
//!
//! On the glass a landmark is where its marks say, within their error. On the ground it is drawn by
//! filtering forward along the span (positions and lengths of glass both speak) and sampling back, so
//! that what is drawn fits the file the way the real thing would. What glass remains between two
//! landmarks goes into the drum's excess and the coils, each by its own uncertainty.

mod cable;
mod light;

pub use cable::Cable;
pub use light::{Damage, Strand};

use silkline_protocol::id::LineId;
use silkline_protocol::plant::Plant;

use crate::chance::Seed;

/// The real plant.
#[derive(Clone, Debug)]
pub struct Truth {
    cables: Vec<Cable>,
}

impl Truth {
    /// A plant that `plant` could be the file of; another seed gives another one.
    #[must_use]
    pub fn of(plant: &Plant, seed: Seed) -> Self {
        let cables = plant
            .lines
            .iter()
            .map(|line| Cable::of(line, seed))
            .collect();
        Self { cables }
    }

    /// The cable of a line.
    #[must_use]
    pub fn cable(&self, line: &LineId) -> Option<&Cable> {
        self.cables.iter().find(|cable| cable.line == *line)
    }
}
