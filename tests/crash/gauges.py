"""Judges what was shown of gauges, of writers that were killed and of those that live: `gauges.rs` has the same rules."""

from __future__ import annotations

import array
import pathlib
from collections.abc import Collection, Container

from judge import CELL_WORDS, CONTROL_WORDS, LIVES, SERIES, SLOTS, Found

ADDED, SET, MIXED = 4, 2, 6
SET_AT, SET_TO = 3, 100
LIFE_WORDS = 1 + 4 * ADDED + 2 * (SET + MIXED)
PROBE = LIVES - 1

# Values by family and label value.
Values = dict[tuple[str, str], float]


def after_steps(label: int, steps: int, is_alive: bool) -> float:
    """The value of a life's own gauge: the first ones add in its cell, one sets, the others add to what was set."""
    set_at = 0 if label % 2 else SET_AT
    if steps > set_at:
        return SET_TO + steps - set_at - 1
    return steps if is_alive else 0


class Noted:
    """What all lives have begun and finished."""

    def __init__(self, path: pathlib.Path) -> None:
        words = array.array("Q", path.read_bytes())[CONTROL_WORDS + SLOTS * SERIES * CELL_WORDS :].tolist()
        self.lives = [words[life * LIFE_WORDS :][:LIFE_WORDS] for life in range(LIVES)]

    @property
    def living(self) -> set[int]:
        """Those that nobody has killed; whether they have ended by themselves is not noted."""
        return {life for life, words in enumerate(self.lives) if not words[0]}

    def added(self, label: int, living: Collection[int]) -> tuple[int, int]:
        """The least and the greatest value."""
        parts = [self.lives[life][1 + 4 * label :][:4] for life in living]
        return sum(part[2] - part[1] for part in parts), sum(part[0] - part[3] for part in parts)

    def set(self, life: int, label: int) -> tuple[int, int]:
        """How often it was set to the end, and how often that was begun."""
        begun, finished = self.lives[life][1 + 4 * ADDED + 2 * label :][:2]
        return finished, begun

    def mixed(self, label: int) -> tuple[int, int]:
        return self.set(label // MIXED, SET + label % MIXED)


def while_running(values: Values, added: list[list[int]], mixed: list[list[int]], found: Found) -> None:
    """An answer that was given while writers were at work, and what the living had finished before it and begun after it."""
    for label, (least, most) in enumerate(added):
        _within(values, "added", label, range(least, most + 1), found)
    for label, finished, begun in mixed:
        right = {after_steps(label, steps, True) for steps in range(finished, begun + 1)}
        _within(values, "mixed", label, right, found)


def at_rest(values: Values, noted: Noted, living: Collection[int], found: Found, setter: int | None = None) -> None:
    """Nobody is in the middle of anything. `setter` is the life that has set all since, if one has."""
    for label in range(ADDED):
        least, most = noted.added(label, living)
        _within(values, "added", label, range(least, most + 1), found)
    for label in range(LIVES * MIXED):
        finished, begun = noted.mixed(label)
        right = {after_steps(label, steps, label // MIXED in living) for steps in range(finished, begun + 1)}
        _within(values, "mixed", label, right, found)
    for label in range(SET):
        value = int(values.get(("set", str(label)), 0.0))
        life, number = value >> 32, value & 0xFFFF_FFFF
        finished, begun = noted.set(life, label) if life < LIVES else (1, 0)
        if not finished <= number <= begun or (setter is not None and life != setter):
            found.lost.append(f"set {label}: {value} is shown, life {life} has set it {finished} to {begun} times; the last was {setter}")
    families = {"added": ADDED, "set": SET, "mixed": LIVES * MIXED}
    for family, label_value in values:
        if not label_value.isdecimal() or int(label_value) >= families.get(family, 0):
            found.torn.append(f"a gauge that nobody has made: {family} {label_value}")


def _within(values: Values, family: str, label: int, right: Container[float], found: Found) -> None:
    value = values.get((family, str(label)), 0.0)
    if value not in right:
        found.lost.append(f"{family} {label}: {value} is shown, {right} would be right")
