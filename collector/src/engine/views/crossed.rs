//! Views of one instrument that show each other's fibre: its ports are swapped.
//!
//! ```text
//!   straight ──ends where another's fibre does──► suspect ──the other one too──► crossed
//!      ▲                                            │                               │
//!      └── the other one shows its own ─────────────┘    ... and both back ─────────┘
//! ```
//!
//! A shot that ends where another fibre of the instrument ends, and not where its own does, is a break
//! just there or a patch cord on the wrong port: the other view tells. While that is not known,
//! the shot is believed where light is lost too, and becomes no reference. Views that are
//! crossed are read as what they look into until they are put back.

use serde::{Deserialize, Serialize};
use silkline_analysis::trace::{Analysis, Trace};
use silkline_protocol::id::ViewId;
use silkline_protocol::plant::{Line, View};

use super::{SHORT, Views};

/// What a shot tells of the port it was taken at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Tangle {
    /// It may be another's: that view is to be shot too.
    Suspect(ViewId),
    /// It shows that this view's fibre is its own: that view is to be shot again.
    Refuted(ViewId),
    /// The two show each other's fibre.
    Crossed(ViewId),
    /// They do not any more.
    Undone(ViewId),
}

/// What the last shot of a view looked like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Suspicion {
    into: ViewId,
    /// The other view has shown its own fibre since: it is a break.
    refuted: bool,
}

impl Views {
    /// The view whose fibre shots of `named` show.
    pub(super) fn really<'a>(&self, line: &'a Line, named: &'a View) -> &'a View {
        let other = self.exchanged.get(&named.id).and_then(|id| line.view(id));
        other.unwrap_or(named)
    }

    /// The view under whose name the fibre of `view` is shot.
    pub(in crate::engine) fn named<'a>(&'a self, view: &'a ViewId) -> &'a ViewId {
        let mut pairs = self.exchanged.iter();
        pairs
            .find(|(_, into)| *into == view)
            .map_or(view, |it| it.0)
    }

    /// Whether any views show each other's fibre.
    pub(in crate::engine) fn is_tangled(&self) -> bool {
        !self.exchanged.is_empty()
    }

    /// Whether a shot of `named` may be of another fibre than its own.
    pub(super) fn is_suspect(&self, named: &ViewId) -> bool {
        let known = self.suspicions.get(named);
        known.is_some_and(|suspicion| !suspicion.refuted)
    }

    /// Takes where a shot of `named` ends.
    pub(super) fn untangle(
        &mut self,
        line: &Line,
        named: &View,
        (trace, analysis): (&Trace, &Analysis),
    ) -> Option<Tangle> {
        let end = analysis.end.as_ref().filter(|_| analysis.fault.is_none())?;
        let fits = |view: &View| {
            let known = self.reference(line, view, trace);
            let known = known.and_then(|known| known.analysis.end);
            known.is_some_and(|known| (end.at - known.at).abs() <= known.at * SHORT)
        };
        let own = self.really(line, named);
        if fits(own) {
            return self.straight(&named.id, &own.id);
        }
        let beside = |view: &&View| {
            let (node, device) = (&view.node, &view.device);
            device.is_some() && (node, device) == (&own.node, &own.device) && view.id != own.id
        };
        let mut others = line.views.iter().filter(beside).filter(|view| fits(view));
        let (Some(other), None) = (others.next(), others.next()) else {
            self.suspicions.remove(&named.id);
            return None;
        };
        let known = self.suspicions.get(&named.id);
        if known.is_some_and(|known| known.refuted && known.into == other.id) {
            return None;
        }
        let holder = self.named(&other.id).clone();
        let theirs = self.suspicions.get(&holder);
        if theirs.is_some_and(|theirs| theirs.into == own.id && !theirs.refuted) {
            return Some(self.exchange([&named.id, &holder], [&other.id, &own.id]));
        }
        let suspicion = Suspicion {
            into: other.id.clone(),
            refuted: false,
        };
        self.suspicions.insert(named.id.clone(), suspicion);
        Some(Tangle::Suspect(holder))
    }

    /// A view shows its own fibre: nobody else does.
    fn straight(&mut self, named: &ViewId, own: &ViewId) -> Option<Tangle> {
        self.suspicions.remove(named);
        let mut suspicions = self.suspicions.iter_mut();
        let (view, suspicion) = suspicions.find(|(_, it)| it.into == *own && !it.refuted)?;
        suspicion.refuted = true;
        Some(Tangle::Refuted(view.clone()))
    }

    fn exchange(&mut self, named: [&ViewId; 2], into: [&ViewId; 2]) -> Tangle {
        for (named, into) in named.into_iter().zip(into) {
            self.suspicions.remove(named);
            self.exchanged.insert(named.clone(), into.clone());
        }
        self.exchanged.retain(|named, into| named != into);
        let [first, second] = named;
        if self.exchanged.contains_key(first) {
            Tangle::Crossed(second.clone())
        } else {
            Tangle::Undone(second.clone())
        }
    }
}
