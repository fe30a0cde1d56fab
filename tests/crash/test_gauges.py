"""What gauges may show: what was added counts while its life lives, what was set stays."""

from __future__ import annotations

import array
import pathlib

import pytest
from gauges import ADDED, LIFE_WORDS, MIXED, SET_TO, Noted, Values, after_steps, at_rest, while_running
from judge import CELL_WORDS, CONTROL_WORDS, LIVES, SERIES, SLOTS, Found

KILLED, ALIVE = 3, 4
SET_BY_ALIVE = float(ALIVE << 32 | 2)


def noted(folder: pathlib.Path) -> Noted:
    """A life that was killed while it added, with two steps of its own gauge; one that lives, and has set one and stepped five."""
    lives = [[0] * LIFE_WORDS for _ in range(LIVES)]
    sets, mixed = 1 + 4 * ADDED, 1 + 4 * ADDED + 4
    lives[KILLED][0] = 1
    lives[KILLED][1:5] = [6, 2, 3, 2]
    lives[KILLED][sets : sets + 2] = [5, 4]
    lives[KILLED][mixed : mixed + 2] = [2, 2]
    lives[ALIVE][1:5] = [6, 4, 6, 2]
    lives[ALIVE][sets : sets + 2] = [2, 2]
    lives[ALIVE][mixed : mixed + 2] = [5, 5]
    before = CONTROL_WORDS + SLOTS * SERIES * CELL_WORDS
    path = folder / "journal"
    path.write_bytes(array.array("Q", [0] * before + [word for life in lives for word in life]).tobytes())
    return Noted(path)


def values(added: float = 2, set_to: float = SET_BY_ALIVE, of_killed: float = 0, of_alive: float = SET_TO + 1) -> Values:
    mixed = {("mixed", str(KILLED * MIXED)): of_killed, ("mixed", str(ALIVE * MIXED)): of_alive}
    return {("added", "0"): added, ("set", "0"): set_to, **mixed}


RIGHT = [values(), values(added=4), values(set_to=float(KILLED << 32 | 4)), values(set_to=float(KILLED << 32 | 5))]
LOST = [
    ("added 0", values(added=5)),
    ("added 0", values(added=1)),
    ("set 0", values(set_to=float(KILLED << 32 | 3))),
    ("set 0", values(set_to=float(ALIVE << 32 | 1))),
    ("set 0", values(set_to=float(ALIVE << 32 | 3))),
    ("set 0", values(set_to=float(LIVES << 32 | 1))),
    (f"mixed {KILLED * MIXED}", values(of_killed=2)),
    (f"mixed {ALIVE * MIXED}", values(of_alive=5)),
    (f"mixed {ALIVE * MIXED}", values(of_alive=SET_TO)),
]


@pytest.mark.parametrize("shown", RIGHT)
def test_what_is_right_is_not_blamed(tmp_path: pathlib.Path, shown: Values) -> None:
    found, known = Found(), noted(tmp_path)
    assert KILLED not in known.living and ALIVE in known.living
    at_rest(shown, known, {ALIVE}, found)
    assert not found


@pytest.mark.parametrize(("said", "shown"), LOST)
def test_what_is_wrong_is_seen(tmp_path: pathlib.Path, said: str, shown: Values) -> None:
    found = Found()
    at_rest(shown, noted(tmp_path), {ALIVE}, found)
    assert len(found.lost) == 1 and found.lost[0].startswith(said)


def test_who_has_set_all_is_the_last(tmp_path: pathlib.Path) -> None:
    found = Found()
    at_rest(values(), noted(tmp_path), {ALIVE}, found, setter=KILLED)
    assert any("the last was 3" in fault for fault in found.lost)


def test_gauges_that_nobody_made_are_seen(tmp_path: pathlib.Path) -> None:
    for family, label in [("added", str(ADDED)), ("mixed", "spanpin_overflow"), ("other", "0")]:
        found = Found()
        at_rest({**values(), (family, label): 0.0}, noted(tmp_path), {ALIVE}, found)
        assert not found.lost and "nobody has made" in found.torn[0]


def test_answers_while_writers_work() -> None:
    added = [[0, 3], *[[0, 0]] * (ADDED - 1)]
    for value, own, is_right in [(0, 2, True), (3, SET_TO, True), (4, 2, False), (0, 1, False), (0, SET_TO + 1, False)]:
        found = Found()
        while_running({("added", "0"): value, ("mixed", "24"): own}, added, [[24, 2, 4]], found)
        assert (not found) == is_right


def test_what_was_set_outlives_what_was_added() -> None:
    assert [after_steps(0, steps, True) for steps in range(6)] == [0, 1, 2, 3, SET_TO, SET_TO + 1]
    assert [after_steps(0, steps, False) for steps in range(6)] == [0, 0, 0, 0, SET_TO, SET_TO + 1]
    assert [after_steps(1, steps, False) for steps in range(3)] == [0, SET_TO, SET_TO + 1]
