"""What series that come and go may show: what was counted since they are there the last time, and nothing of before."""

from __future__ import annotations

import array
import pathlib

import pytest
from gauges import LIFE_WORDS
from judge import CELL_WORDS, CONTROL_WORDS, LIVES, PASSING, SERIES, SLOTS, Judge, Made
from passing import GAUGE, SERIES_WORDS, TIME_SHIFT, Noted, at_rest, made_by, while_running

LIFE = 5
# There the second time, with three observations of which one may not be whole.
BEGUN, FINISHED = 2 << TIME_SHIFT | 3, 2 << TIME_SHIFT | 2
OF_NOW = [made_by(LIFE, 0, 2, number) for number in (1, 2, 3)]
BEFORE = made_by(LIFE, 0, 1, 1)


def noted(folder: pathlib.Path, begun: int = BEGUN, finished: int = FINISHED, removing: int = 1, removed: int = 1, label: int = 0) -> Noted:
    words = array.array("Q", [0]) * (CONTROL_WORDS + SLOTS * SERIES * CELL_WORDS + LIVES * (LIFE_WORDS + PASSING * SERIES_WORDS))
    at = len(words) - (LIVES * PASSING - LIFE * PASSING - label) * SERIES_WORDS
    words[at : at + SERIES_WORDS] = array.array("Q", [begun, finished, removing, removed])
    path = folder / "journal"
    path.write_bytes(words.tobytes())
    return Noted(path)


def judge(count: int | None = 2, total: float | None = None, exemplars: tuple[Made, ...] = (), label: int = 0) -> Judge:
    """A judge to whom the series was shown so."""
    made = Judge()
    series = ("passing_gauge" if label == GAUGE else "passing", f"{LIFE}-{label}")
    if count is not None:
        made.passing[series] = (count, sum(one.value for one in OF_NOW[:count]) if total is None else total)
    if exemplars:
        made.exemplars_of[series] = list(exemplars)
    return made


def test_what_is_right_is_not_blamed(tmp_path: pathlib.Path) -> None:
    known = noted(tmp_path)
    for shown in [judge(), judge(3), judge(3, sum(one.value for one in OF_NOW[:2])), judge(2, exemplars=(OF_NOW[0], OF_NOW[1]))]:
        at_rest(shown, known, set())
        while_running(shown, [[LIFE, 0, FINISHED, BEGUN]])
        assert not shown.found


@pytest.mark.parametrize("shown", [judge(None), judge(1), judge(4, 1.0), judge(2, BEFORE.value + OF_NOW[0].value + OF_NOW[1].value)])
def test_wrong_counts_are_seen(tmp_path: pathlib.Path, shown: Judge) -> None:
    at_rest(shown, noted(tmp_path), set())
    assert len(shown.found.lost) == 1
    while_running(shown, [[LIFE, 0, FINISHED, BEGUN]])
    assert len(shown.found.lost) == 2


@pytest.mark.parametrize("exemplars", [(BEFORE,), (BEFORE, OF_NOW[0]), (OF_NOW[2],)])
def test_exemplars_of_before_and_of_what_is_not_counted_are_seen(tmp_path: pathlib.Path, exemplars: tuple[Made, ...]) -> None:
    shown = judge(2, exemplars=exemplars)
    at_rest(shown, noted(tmp_path), set())
    assert shown.found.torn and not shown.found.lost


def test_what_was_removed_is_not_there(tmp_path: pathlib.Path) -> None:
    for removing, removed, count, is_right in [
        (2, 2, None, True),
        (2, 2, 2, False),
        (2, 1, None, True),
        (2, 1, 2, True),
        (1, 1, None, False),
    ]:
        shown = judge(count)
        at_rest(shown, noted(tmp_path, removing=removing, removed=removed), set())
        assert (not shown.found) == is_right


def test_one_that_was_not_made_to_the_end(tmp_path: pathlib.Path) -> None:
    known = noted(tmp_path, 2 << TIME_SHIFT | 1, 1 << TIME_SHIFT | 7)
    for count, is_right in [(None, True), (0, True), (1, True), (2, False)]:
        shown = judge(count)
        at_rest(shown, known, set())
        assert (not shown.found) == is_right


def test_gauges_count_while_their_writer_lives(tmp_path: pathlib.Path) -> None:
    known = noted(tmp_path, label=GAUGE)
    for total, living, is_right in [
        (2, {LIFE}, True),
        (3, {LIFE}, True),
        (4, {LIFE}, False),
        (0, {LIFE}, False),
        (0, set(), True),
        (2, set(), False),
    ]:
        shown = judge(0, total, label=GAUGE)
        at_rest(shown, known, living)
        assert (not shown.found) == is_right


def test_series_that_nobody_made_are_seen(tmp_path: pathlib.Path) -> None:
    for series, is_right in [(("passing", "spanpin_overflow"), True), (("meeting", "0"), True), (("passing", "5-9"), False)]:
        shown = judge()
        shown.passing[series] = (1, 1.0)
        at_rest(shown, noted(tmp_path), set())
        assert (not shown.found.torn) == is_right
