//! Registration: a family's settings are checked, its record is published or found, and this process claims it.

use crate::buckets::{DEFAULT_BOUNDS, validate};
use crate::buffer::Buffer;
use crate::encode::number::put_float;
use crate::encode::self_metrics::RESERVED;
use crate::error::{Error, ErrorCode};
use crate::exemplar::RuleOptions;
use crate::exemplar::rules::Rules;
use crate::family::{DEFAULT_MAX_SERIES, Family, Kind, OVERFLOW_LABEL, Own, family_hash};
use crate::hash::fold;
use crate::hooks::Hooks;
use crate::labels::{check_label_names, check_metric_name, check_unit};
use crate::memory::{Pinned, out_of_memory};
use crate::registry::Registry;
use crate::segment::problem::Instead;
use crate::segment::publish::Published;
use crate::segment::{FamilyWrite, boxed_str, put_text};
use crate::series::Series;

impl Registry {
    /// Registers a family.
    pub(crate) fn register(&self, spec: &FamilySpec<'_>, hooks: Hooks) -> Result<Pinned<Family>, Error> {
        let spec = spec.checked()?;
        let core = &*self.core;
        let rules = spec.rules.or(&core.settings.rules.of_kind(spec.kind));
        rules.check()?;
        let rules = rules.resolve(spec.kind);
        let _held = core.hold();
        core.catch_up_to_newest()?;
        let in_the_way = |family: &Pinned<Family>| *family.name == *spec.name || family.clashes(spec.kind, spec.name);
        if let Some(own) = core.families.iter().filter(Family::is_own).find(in_the_way) {
            return Err(if *own.name == *spec.name { again_error(&spec, &own) } else { clash_error(&spec, &own) });
        }
        let other = core.families.iter().find(|family| in_the_way(family) && !spec.is_shape_of(family));
        let other_error =
            other.map(
                |other| {
                    if *other.name == *spec.name { shape_error(&spec, &other) } else { clash_error(&spec, &other) }
                },
            );
        let other_error = match other_error {
            Some(error) if core.settings.strict => return Err(error),
            error => error,
        };
        let family = match core.families.iter().find(|family| spec.is_shape_of(family)) {
            Some(family) => family,
            None => self.publish_family(&spec, rules)?,
        };
        let slots_error = (family.slots() != rules.slots && spec.kind != Kind::Gauge)
            .then(|| slots_error(&spec, rules.slots, family.slots()));
        let slots_error = match slots_error {
            Some(error) if core.settings.strict => return Err(error),
            error => error,
        };
        complete(&spec, family)?;
        let rules = Rules { slots: family.slots(), ..rules };
        let (help, unit) = (boxed_str(spec.help)?, boxed_str(spec.unit)?);
        family.set_own(Own { hooks, rules, help, unit, max_series: spec.max_series })?;
        core.segment.write_rules(family.place(), rules.to_words(), spec.max_series);
        // Other processes have, or had, families that cannot stand in one exposition with this one.
        for other in core.families.iter().filter(in_the_way) {
            other.set_hidden(true);
        }
        family.set_hidden(false);
        if let Some(error) = &other_error {
            core.note_shape(error, Instead::FreshRecord);
        } else if let Some(error) = &slots_error {
            core.note_shape(error, Instead::OldRings);
        }
        Ok(family)
    }

    /// Writes and publishes a family. The caller holds the lock.
    fn publish_family(&self, spec: &FamilySpec<'_>, rules: Rules) -> Result<Pinned<Family>, Error> {
        let core = &*self.core;
        let written = core.segment.write_family(&FamilyWrite {
            tag: (spec.kind as u32) << 8,
            hash: family_hash(spec.name),
            created_ms: core.clock.wall_ms(),
            name: spec.name,
            help: spec.help,
            unit: spec.unit,
            label_names: spec.label_names,
            bounds: spec.bounds,
            max_series: spec.max_series,
            rules: rules.to_words(),
        });
        core.note_shortage();
        let mine = written?;
        core.enlist(mine)?;
        let existing = || core.families.iter().find(|family| spec.is_shape_of(family));
        let published = core.publish(mine, || existing().map(|family| family.place()))?;
        let Published::Mine(head) = published else { return existing().ok_or_else(out_of_memory) };
        #[cfg(spanpin_stops)]
        crate::stops::at("record-publish: family published");
        // In this order: a child forked in between takes the record up again, instead of never.
        let family = core.attach_family(mine)?;
        core.set_walked(head);
        Ok(family)
    }
}

/// The settings of a family that is to be registered.
#[derive(Clone, Copy)]
pub(crate) struct FamilySpec<'a> {
    pub(crate) kind: Kind,
    pub(crate) name: &'a str,
    pub(crate) help: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) label_names: &'a [&'a str],
    pub(crate) bounds: &'a [f64],
    pub(crate) rules: RuleOptions,
    pub(crate) max_series: u32,
}

impl<'a> FamilySpec<'a> {
    pub(crate) fn new(kind: Kind, name: &'a str, help: &'a str) -> Self {
        FamilySpec {
            kind,
            name,
            help,
            unit: "",
            label_names: &[],
            bounds: if kind == Kind::Histogram { &DEFAULT_BOUNDS } else { &[] },
            rules: RuleOptions::default(),
            max_series: DEFAULT_MAX_SERIES,
        }
    }

    /// The same with its name and bounds in their one form, or what is wrong with it.
    fn checked(&self) -> Result<FamilySpec<'a>, Error> {
        let mut spec = *self;
        check_metric_name(spec.name)?;
        if spec.kind == Kind::Counter {
            spec.name = spec.name.strip_suffix("_total").unwrap_or(spec.name);
            check_metric_name(spec.name)?;
        }
        if spec.name.starts_with(RESERVED) {
            let text = " is reserved: names that start with spanpin_ are the registry's own metrics";
            return Err(Error::quoting(ErrorCode::NameClash, "metric name ", spec.name, text));
        }
        if spec.rules.adaptive.flatten().is_some() && spec.kind != Kind::Histogram {
            let text = " cannot sample adaptively: only a histogram has buckets to take a p99 from; use probability";
            return Err(Error::quoting(ErrorCode::InvalidOption, "metric ", spec.name, text));
        }
        check_unit(spec.name, spec.unit)?;
        check_label_names(spec.label_names, spec.kind == Kind::Histogram)?;
        spec.bounds = validate(spec.bounds)?;
        Ok(spec)
    }
}

impl FamilySpec<'_> {
    fn is_shape_of(&self, family: &Family) -> bool {
        family.has_shape(self.kind, self.name, self.label_names.iter().copied(), self.bounds)
    }
}

/// Gives a family the series that it has from the start, unless it has them.
fn complete(spec: &FamilySpec<'_>, family: Pinned<Family>) -> Result<(), Error> {
    if spec.label_names.is_empty() {
        // Its one series is there from the start, so that zero can be told from missing.
        if family.series.iter().next().is_none() {
            let first = || family.series.iter().next().and_then(Series::current);
            family.publish_series(family_hash(spec.name), &[], false, first)?;
        }
    } else if family.overflow.get().is_none() {
        let mut text = Buffer::new();
        let mut hash = family_hash(spec.name);
        for _ in spec.label_names {
            put_text(&mut text, OVERFLOW_LABEL.as_bytes());
            hash = fold(hash, OVERFLOW_LABEL.as_bytes());
        }
        text.finish().map_err(|_| out_of_memory())?;
        family.publish_series(hash, text.as_slice(), true, || family.overflow())?;
    }
    Ok(())
}

/// The error for a name that this process has registered before.
#[cold]
fn again_error(spec: &FamilySpec<'_>, family: &Family) -> Error {
    if !spec.is_shape_of(family) {
        return shape_error(spec, family);
    }
    let text = " is registered already: register it once and keep the family";
    Error::quoting(ErrorCode::DuplicateName, "metric ", spec.name, text)
}

fn describe(message: &mut Buffer, kind: Kind, labels: &mut dyn Iterator<Item = &str>, bounds: usize) {
    message.put_str(kind.as_str());
    message.put_str(" with labels [");
    for (i, label) in labels.enumerate() {
        message.put_str(if i == 0 { "" } else { ", " });
        message.put_str(label);
    }
    message.put_str("]");
    if kind == Kind::Histogram {
        message.put_str(" and ");
        message.put_u64(bounds as u64);
        message.put_str(" bounds");
    }
}

#[cold]
fn shape_error(spec: &FamilySpec<'_>, family: &Family) -> Error {
    let mut message = Buffer::new();
    message.put_str("metric ");
    message.put_quoted(spec.name);
    message.put_str(" is registered already as another ");
    let mut names = family.label_names.iter().map(|name| &**name);
    describe(&mut message, family.kind, &mut names, family.bounds.as_slice().len());
    message.put_str("; asked for is a ");
    describe(&mut message, spec.kind, &mut spec.label_names.iter().copied(), spec.bounds.len());
    let other = family.bounds.as_slice().iter().zip(spec.bounds).find(|(a, b)| a != b);
    if let Some((registered, asked)) = other
        && family.bounds.as_slice().len() == spec.bounds.len()
    {
        message.put_str(", ");
        put_float(&mut message, *asked);
        message.put_str(" in place of ");
        put_float(&mut message, *registered);
    }
    message.put_str(": use another name, or the same kind, labels and bounds");
    Error::new(ErrorCode::ShapeMismatch, message)
}

#[cold]
fn slots_error(spec: &FamilySpec<'_>, asked: usize, there: usize) -> Error {
    let mut message = Buffer::new();
    message.put_str("metric ");
    message.put_quoted(spec.name);
    message.put_str(" is there with rings of ");
    message.put_u64(there as u64);
    message.put_str(" slots, and ");
    message.put_u64(asked as u64);
    message.put_str(" are asked for");
    Error::new(ErrorCode::ShapeMismatch, message)
}

#[cold]
fn clash_error(spec: &FamilySpec<'_>, family: &Family) -> Error {
    let mut message = Buffer::new();
    message.put_str("metric name ");
    message.put_quoted(spec.name);
    message.put_str(" clashes with the registered ");
    message.put_str(family.kind.as_str());
    message.put_str(" ");
    message.put_quoted(&family.name);
    message.put_str(": both would have a sample of the same name; choose another name");
    Error::new(ErrorCode::NameClash, message)
}
