//! Records that other processes wrote, checked before they are used; and which of several families of one name is shown.

use crate::buckets::validate;
use crate::error::{Error, ErrorCode};
use crate::family::{Family, Kind};
use crate::hash::fold;
use crate::labels::{check_label_names, check_metric_name, check_unit};
use crate::memory::{Pinned, Pushed};
use crate::segment::{Offset, SeriesText, gates_bytes, take_text};

fn damaged(what: &'static str) -> Error {
    Error::fixed(ErrorCode::SegmentFull, what)
}

impl Family {
    /// Fails for names, a unit or bounds that no registration lets through: they would spoil the exposition.
    pub(crate) fn check_record(&self) -> Result<(), Error> {
        let mut names = Pushed::new();
        for name in &self.label_names {
            names.push(&**name)?;
        }
        check_metric_name(&self.name)?;
        check_unit(&self.name, self.unit())?;
        check_label_names(&names, self.kind == Kind::Histogram)?;
        if self.kind == Kind::Histogram {
            validate(self.bounds.as_slice())?;
        } else if !self.bounds.as_slice().is_empty() {
            return Err(damaged("a family of the segment has bounds and is no histogram"));
        }
        Ok(())
    }

    /// Fails for a series' record whose texts, hash or place contradict each other.
    pub(crate) fn check_series(&self, place: Offset, text: &SeriesText) -> Result<(), Error> {
        let mut rest = &*text.text;
        let mut hash = self.hash();
        for _ in &self.label_names {
            let value = take_text(&mut rest).filter(|value| core::str::from_utf8(value).is_ok());
            let Some(value) = value else { return Err(damaged("a series of the segment has damaged label values")) };
            hash = fold(hash, value);
        }
        if !rest.is_empty() || hash != text.hash {
            return Err(damaged("a series of the segment has label values that do not fit its family or its hash"));
        }
        let gates_at = text.cells.bytes().checked_sub(gates_bytes(self.sizes().1) as u64);
        if gates_at.is_none_or(|at| at < text.end.bytes() || at < place.bytes()) {
            return Err(damaged("a series of the segment has its cells in another place than behind it"));
        }
        Ok(())
    }

    /// Whether this process has registered it, as a filter.
    pub(crate) fn is_own(this: &Pinned<Family>) -> bool {
        this.is_registered()
    }

    /// Whether both count the same things in the same cells.
    pub(crate) fn has_shape_of(&self, other: &Family) -> bool {
        let names = other.label_names.iter().map(|name| &**name);
        self.has_shape(other.kind, &other.name, names, other.bounds.as_slice())
    }

    pub(crate) fn has_shape<'a>(
        &self,
        kind: Kind,
        name: &str,
        label_names: impl Iterator<Item = &'a str>,
        bounds: &[f64],
    ) -> bool {
        let own = self.label_names.iter().map(|name| &**name);
        self.kind == kind && *self.name == *name && own.eq(label_names) && self.bounds.as_slice() == bounds
    }

    /// Whether an exposition can hold only one of the two.
    pub(crate) fn cannot_show_with(&self, other: &Family) -> bool {
        *self.name == *other.name || self.clashes(other.kind, &other.name)
    }
}
