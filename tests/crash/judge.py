"""Judges what was shown of a segment whose writers were killed: `made.rs` has the same rules of what an observation is."""

from __future__ import annotations

import array
import dataclasses
import pathlib

from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Exemplar

SHARED_FAMILIES, LABELS, COUNTER_FAMILIES, OWN, LIVES = 5, 8, 2, 8, 160
SHARED, COUNTERS = SHARED_FAMILIES * LABELS, COUNTER_FAMILIES * LABELS
SERIES = SHARED + COUNTERS + LIVES * OWN
# Series that come and go, of each life. Others of the kind are shared.
PASSING = 4
COMING_AND_GOING = {"passing", "passing_gauge", "meeting"}
OVERFLOW = "spanpin_overflow"
UNITS = 1 << 20
SPREAD = 0x9E37_79B9_7F4A_7C15
WORD = (1 << 64) - 1

SLOTS, CONTROL_WORDS, CELL_WORDS = 5, 64, 4

# Count and sum of each series in an answer.
Shown = dict[tuple[str, str], tuple[float, float]]


@dataclasses.dataclass
class Found:
    """What is wrong, by what it is counted as."""

    torn: list[str] = dataclasses.field(default_factory=list)
    stuck: list[str] = dataclasses.field(default_factory=list)
    lost: list[str] = dataclasses.field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.torn or self.stuck or self.lost)

    def add(self, other: Found) -> None:
        self.torn += other.torn
        self.stuck += other.stuck
        self.lost += other.lost


@dataclasses.dataclass(frozen=True)
class Made:
    """An observation by its number."""

    n: int

    @property
    def which(self) -> int:
        return self.n >> 44

    @property
    def series(self) -> tuple[str, str]:
        if self.which >= SERIES + PASSING:
            return "meeting", str(self.which - SERIES - PASSING)
        if self.which >= SERIES:
            return "passing", f"{self.n >> 32 & 0xFFF}-{self.which - SERIES}"
        return series_of(self.which)

    @property
    def value(self) -> float:
        if SHARED <= self.which < SHARED + COUNTERS:
            return 0.25 if self.n % 4 == 0 else 1.0
        return ((self.n * SPREAD & WORD) >> 44) / UNITS + 1 / UNITS

    @property
    def labels(self) -> dict[str, str]:
        labels = {"trace_id": f"{self.n * SPREAD & WORD | 1:016x}{self.n:016x}", "span_id": f"{self.n | 1 << 63:016x}"}
        kind = self.n % 16
        if 2 <= kind <= 6 or (kind == 1 and self.which % 2 == 0):
            labels["pad"] = f"{self.n:062}"
        return labels


def series_of(which: int) -> tuple[str, str]:
    """The name of the family and the label value of a series."""
    if which < SHARED:
        return f"h{which // LABELS}", str(which % LABELS)
    if which < SHARED + COUNTERS:
        return f"c{(which - SHARED) // LABELS}", str(which % LABELS)
    own = which - SHARED - COUNTERS
    return f"own{own // OWN}", str(own % OWN)


class Journal:
    """What all writers have begun and finished."""

    def __init__(self, path: pathlib.Path) -> None:
        words = array.array("Q", path.read_bytes())
        self.cells: dict[tuple[str, str], list[int]] = {}
        for which in range(SERIES):
            sums = [0] * CELL_WORDS
            for slot in range(SLOTS):
                at = CONTROL_WORDS + (slot * SERIES + which) * CELL_WORDS
                for word in range(CELL_WORDS):
                    sums[word] += words[at + word]
            self.cells[series_of(which)] = sums


class Judge:
    """Judges the answers about one segment in the order in which they were given."""

    def __init__(self) -> None:
        self.found = Found()
        self.exemplars = 0
        self.bodies = 0
        # The gauges of the last answer.
        self.gauges: dict[tuple[str, str], float] = {}
        # Of the last answer the series that come and go, and their exemplars.
        self.passing: Shown = {}
        self.exemplars_of: dict[tuple[str, str], list[Made]] = {}
        self._last: dict[tuple[str, str, str, str], tuple[float, int]] = {}
        self._counts: dict[tuple[str, str], float] = {}

    def answer(self, who: str, body: str) -> Shown:
        """Count and sum of each series in the answer to a scraper. An empty name is one that nothing is known of."""
        self.bodies += 1
        self.gauges, self.passing, self.exemplars_of = {}, {}, {}
        try:
            families = list(text_string_to_metric_families(body))  # type: ignore[no-untyped-call]
        except ValueError as error:
            self.found.torn.append(f"the strict parser refuses an answer to {who}: {error}")
            return {}
        all_shown: Shown = {}
        for family in families:
            shown = self.passing if family.name in COMING_AND_GOING else all_shown
            buckets: dict[str, float] = {}
            lower: dict[str, float] = {}
            for sample in family.samples:
                series = (family.name, sample.labels.get("l", ""))
                label = series[1]
                if family.type == "gauge" and family.name in COMING_AND_GOING:
                    shown[series] = (0.0, sample.value)
                elif family.type == "gauge":
                    self.gauges[series] = sample.value
                elif sample.name.endswith("_bucket"):
                    upper = float(sample.labels["le"])
                    count = sample.value - buckets.get(label, 0.0)
                    if sample.exemplar:
                        self._exemplar(who, series, sample.labels["le"], sample.exemplar, lower.get(label, -1.0), upper, count)
                    if count < 0:
                        self.found.torn.append(f"{series}: buckets do not rise")
                    buckets[label], lower[label] = sample.value, upper
                elif sample.name.endswith("_sum"):
                    shown[series] = (buckets[label], sample.value)
                elif sample.name.endswith("_total"):
                    if sample.exemplar:
                        self._exemplar(who, series, "", sample.exemplar, 0.0, 1.0, sample.value)
                    shown[series] = (sample.value, sample.value)
        self._never_falls(all_shown)
        return all_shown

    def _never_falls(self, shown: Shown) -> None:
        for series, count in self._counts.items():
            if series not in shown or shown[series][0] < count:
                self.found.lost.append(f"{series}: {shown.get(series)} after {count}")
        self._counts = {series: count for series, (count, _) in shown.items()}

    def _exemplar(self, who: str, series: tuple[str, str], le: str, exemplar: Exemplar, above: float, upto: float, count: float) -> None:
        self.exemplars += 1
        labels, value, stamp = exemplar.labels, exemplar.value, float(exemplar.timestamp or 0.0)
        made = Made(int(labels.get("trace_id", "0")[16:] or "0", 16))
        what = f"{series} le={le} shows {labels} {value} at {stamp}"
        if made.labels != labels or made.value != value:
            self.found.torn.append(f"made by nobody: {what}")
            return
        self.exemplars_of.setdefault(series, []).append(made)
        if made.series != series and (series[0] not in COMING_AND_GOING or series[1] != OVERFLOW):
            self.found.torn.append(f"of another series: {what}")
        if not above < value <= upto:
            self.found.torn.append(f"outside its bucket: {what}")
        if count < (1 if le else value):
            self.found.torn.append(f"shown, and not counted: {what}")
        if not who:
            return
        place = (who, *series, le)
        before = self._last.get(place)
        if before and (stamp < before[0] or (stamp == before[0] and made.n != before[1])):
            self.found.torn.append(f"a step back for {who}: {what} after {before}")
        self._last[place] = (stamp, made.n)

    def totals(self, shown: Shown, finished: int, begun: int) -> None:
        """An answer given while writers are at work: what was finished before it is in it, and no more than was begun."""
        # A counter's value is the sum of its amounts, not their number.
        counts = sum(count for (family, _), (count, _) in shown.items() if not family.startswith("c"))
        if not finished <= counts <= begun:
            self.found.lost.append(f"{counts} are shown, {finished} were finished before and {begun} begun")

    def at_rest(self, shown: Shown, journal: Journal) -> None:
        """All writers are dead: each series has what they have finished, and at most what they have begun."""
        for series, (begun, begun_units, finished, finished_units) in journal.cells.items():
            count, total = shown.get(series, (0.0, 0.0))
            units = total * UNITS
            # A counter's value is the sum of its amounts.
            is_counted = series[0].startswith("c") or finished <= count <= begun
            if not is_counted or not finished_units <= units <= begun_units:
                what = f"{finished} to {begun} observations of {finished_units} to {begun_units} units"
                self.found.lost.append(f"{series}: {count} of {units} are shown, {what} were made")
        unknown = set(shown) - set(journal.cells)
        if unknown:
            self.found.torn.append(f"series that nobody has made: {sorted(unknown)}")
