"""The judge sees what it is there to see, and says nothing of what is right."""

from __future__ import annotations

import array
import pathlib
from collections.abc import Callable

import pytest
from judge import CELL_WORDS, CONTROL_WORDS, SERIES, SLOTS, UNITS, Journal, Judge, Made

# Observations of the series h0{l="1"} in one bucket, the first with a label; one of c0{l="0"}.
PADDED = Made(1 << 44 | 7 << 32 | 18)
LATER = (Made(PADDED.n + step) for step in range(1, 1000))
PLAIN = next(made for made in LATER if "pad" not in made.labels and made.value // 0.25 == PADDED.value // 0.25)
COUNTED = Made(40 << 44 | 7 << 32 | 9)


def exemplar(made: Made, stamp: float = 1_700_000_000.5) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in made.labels.items())
    return f" # {{{labels}}} {made.value} {stamp:.3f}"


def body(made: Made = PADDED, stamp: float = 1_700_000_000.5) -> str:
    """One observation of a histogram, and one of a counter."""
    lines = ["# TYPE h0 histogram", "# HELP h0 Help."]
    count = 0
    for below, upto in [(-1.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, float("inf"))]:
        held = below < made.value <= upto
        count += held
        le = "+Inf" if upto == float("inf") else upto
        lines.append(f'h0_bucket{{l="1",le="{le}"}} {count}{exemplar(made, stamp) if held else ""}')
    lines += ['h0_count{l="1"} 1', f'h0_sum{{l="1"}} {made.value}']
    lines += ["# TYPE c0 counter", f'c0_total{{l="0"}} 1.0{exemplar(COUNTED)}', "# EOF"]
    return "\n".join(lines) + "\n"


def judged(*bodies: str, who: str = "a") -> Judge:
    judge = Judge()
    for one in bodies:
        judge.answer(who, one)
    return judge


def test_what_is_right_is_not_blamed() -> None:
    judge = judged(body(), body(), body(PLAIN, 1_700_000_001.5))
    assert not judge.found and judge.exemplars == 6 and judge.bodies == 3


OTHER = Made(2 << 44 | 7 << 32 | 18)
TORN: list[tuple[str, Callable[[str], str]]] = [
    ("strict parser", lambda text: text.replace("# EOF\n", "")),
    ("strict parser", lambda text: text.replace("# TYPE c0 counter", "# TYPE h0 counter")),
    ("made by nobody", lambda text: text.replace(PADDED.labels["span_id"], PLAIN.labels["span_id"])),
    ("made by nobody", lambda text: text.replace(PADDED.labels["pad"], PLAIN.labels.get("pad", "0" * 62))),
    ("made by nobody", lambda text: text.replace(f"}} {PADDED.value} ", f"}} {PLAIN.value} ")),
    ("made by nobody", lambda text: text.replace(f',pad="{PADDED.labels["pad"]}"', "")),
    ("of another series", lambda text: text.replace(exemplar(PADDED), exemplar(OTHER))),
    ("outside its bucket", lambda text: text.replace(exemplar(PADDED), "").replace(" 0\n", f" 1{exemplar(PADDED)}\n", 1)),
    ("not counted", lambda text: text.replace(f" 1{exemplar(PADDED)}", f" 0{exemplar(PADDED)}")),
    ("not counted", lambda text: text.replace('c0_total{l="0"} 1.0', 'c0_total{l="0"} 0.0')),
]


@pytest.mark.parametrize(("said", "spoil"), TORN)
def test_what_is_torn_is_seen(said: str, spoil: Callable[[str], str]) -> None:
    spoilt = spoil(body())
    assert spoilt != body()
    found = judged(spoilt).found
    assert any(said in fault for fault in found.torn), found


def test_steps_back_are_seen() -> None:
    assert "a step back" in judged(body(PADDED, 1_700_000_002.5), body(PLAIN, 1_700_000_001.5)).found.torn[0]
    assert "a step back" in judged(body(PADDED, 1_700_000_002.5), body(PLAIN, 1_700_000_002.5)).found.torn[0]
    assert not judged(body(PADDED, 1_700_000_002.5), body(PLAIN, 1_700_000_001.5), who="").found


def test_counts_that_fall_are_seen() -> None:
    fallen = body().replace('c0_total{l="0"} 1.0', 'c0_total{l="0"} 1.25')
    found = judged(fallen, body()).found
    assert "after 1.25" in found.lost[0] and not found.torn
    assert not judged(body(), fallen).found


def journal(folder: pathlib.Path, begun: int, finished: int, units: int = 0) -> Journal:
    """A journal in which two writers have counted in h0{l="1"}, and one in c0{l="0"}."""
    words = array.array("Q", [0]) * (CONTROL_WORDS + SLOTS * SERIES * CELL_WORDS)
    each = int(PADDED.value * UNITS)
    for slot, which, cell in [
        (0, 1, [begun, begun * each + units, finished, finished * each + units]),
        (4, 40, [1, UNITS, 1, UNITS]),
    ]:
        at = CONTROL_WORDS + (slot * SERIES + which) * CELL_WORDS
        words[at : at + CELL_WORDS] = array.array("Q", cell)
    path = folder / "journal"
    path.write_bytes(words.tobytes())
    return Journal(path)


@pytest.mark.parametrize(
    ("begun", "finished", "units", "is_right"),
    [(1, 1, 0, True), (1, 0, 0, True), (2, 1, 0, True), (2, 2, 0, False), (0, 0, 0, False), (1, 1, 1, False)],
)
def test_the_journal_is_held_against_what_is_shown(tmp_path: pathlib.Path, begun: int, finished: int, units: int, is_right: bool) -> None:
    judge = Judge()
    judge.at_rest(judge.answer("a", body()), journal(tmp_path, begun, finished, units))
    assert bool(judge.found.lost) != is_right and not judge.found.torn


def test_what_was_finished_before_an_answer_is_in_it() -> None:
    for finished, begun, is_right in [(0, 1, True), (1, 2, True), (2, 2, False), (0, 0, False)]:
        judge = Judge()
        judge.totals(judge.answer("a", body()), finished, begun)
        assert bool(judge.found.lost) != is_right


def test_series_that_nobody_made_are_seen(tmp_path: pathlib.Path) -> None:
    judge = Judge()
    shown = judge.answer("a", body().replace('l="0"', 'l="spanpin_overflow"'))
    judge.at_rest(shown, journal(tmp_path, 1, 1))
    assert any("nobody has made" in fault for fault in judge.found.torn)
