"""Judges what was shown of series that come and go, each time from zero: `passing.rs` has the same rules."""

from __future__ import annotations

import array
import pathlib
from collections.abc import Collection

from gauges import LIFE_WORDS
from judge import CELL_WORDS, CONTROL_WORDS, LIVES, OVERFLOW, PASSING, SERIES, SLOTS, Judge, Made

GAUGE = PASSING - 1
SERIES_WORDS = 4
TIME_SHIFT = 16


def made_by(life: int, label: int, time: int, number: int) -> Made:
    return Made(SERIES + label << 44 | life << 32 | time << TIME_SHIFT | number)


class Noted:
    """For each series of a life its last observation begun and finished, the last time its removal was begun and finished."""

    def __init__(self, path: pathlib.Path) -> None:
        at = CONTROL_WORDS + SLOTS * SERIES * CELL_WORDS + LIVES * LIFE_WORDS
        words = array.array("Q", path.read_bytes())[at:].tolist()
        self.all = [tuple(words[number * SERIES_WORDS :][:SERIES_WORDS]) for number in range(LIVES * PASSING)]


def while_running(judge: Judge, passing: list[list[int]]) -> None:
    """An answer that was given while writers were at work: life, label, finished before it and begun after it."""
    for life, label, finished, begun in passing:
        _is_there(judge, life, label, finished, begun, True)
    _one_time_each(judge)


def at_rest(judge: Judge, noted: Noted, living: Collection[int]) -> None:
    """Nobody is in the middle of anything."""
    for number, (begun, finished, removing, removed) in enumerate(noted.all):
        life, label = divmod(number, PASSING)
        time = begun >> TIME_SHIFT
        if time <= removed:
            if _shown(judge, life, label) is not None:
                judge.found.lost.append(f"{life}-{label} is shown, and was removed the {removed}th time")
            continue
        if finished >> TIME_SHIFT < time:
            # Whoever made it anew has died on the way, maybe before it was there.
            finished = time << TIME_SHIFT
        may_be_absent = removing == time or finished == time << TIME_SHIFT
        if not may_be_absent or _shown(judge, life, label) is not None:
            _is_there(judge, life, label, finished, begun, life in living)
    _one_time_each(judge)
    known = {(family, f"{life}-{label}") for life in range(LIVES) for label in range(PASSING) for family in [_family(label)]}
    unknown = {series for series in judge.passing if series[0] != "meeting" and series[1] != OVERFLOW} - known
    if unknown:
        judge.found.torn.append(f"series that nobody has made: {sorted(unknown)}")


def _family(label: int) -> str:
    return "passing_gauge" if label == GAUGE else "passing"


def _shown(judge: Judge, life: int, label: int) -> tuple[float, float] | None:
    return judge.passing.get((_family(label), f"{life}-{label}"))


def _is_there(judge: Judge, life: int, label: int, finished: int, begun: int, is_alive: bool) -> None:
    """It shows what was counted this time, and nothing of the times before."""
    time, least, most = begun >> TIME_SHIFT, finished & 0xFFFF, begun & 0xFFFF
    shown = _shown(judge, life, label)
    if shown is None:
        judge.found.lost.append(f"{life}-{label} is not shown, and there the {time}th time")
        return
    count, total = shown
    if label == GAUGE:
        is_right = least <= total <= most if is_alive else total == 0
    else:
        sums = [0.0]
        for number in range(1, most + 1):
            sums.append(sums[-1] + made_by(life, label, time, number).value)
        is_right = least <= count <= most and total in sums[least : most + 1]
    if not is_right:
        what = f"{least} to {most} observations are of the {time}th time"
        judge.found.lost.append(f"{life}-{label}: {count} with the sum {total} are shown, {what}")
    for made in judge.exemplars_of.get(("passing", f"{life}-{label}"), []):
        if (made.n & 0xFFFF_FFFF) >> TIME_SHIFT != time:
            judge.found.torn.append(f"{life}-{label} shows {made} of another time than the {time}th")


def _one_time_each(judge: Judge) -> None:
    """All exemplars of a series are of one time, and those before each were counted before it."""
    for (family, value), all_made in judge.exemplars_of.items():
        if family != "passing" or value == OVERFLOW:
            continue
        count, _ = judge.passing[family, value]
        times = {(made.n & 0xFFFF_FFFF) >> TIME_SHIFT for made in all_made}
        if len(times) > 1 or any(made.n & 0xFFFF > count for made in all_made):
            judge.found.torn.append(f"{value} shows {count} observations, and exemplars of other times: {all_made}")
