#!/usr/bin/env python3
"""Kills processes that count in shared segments, and judges what they leave.

    run.py               2,000 kills at random moments, and 20 at each named stop of the protocols
    run.py --short       200 kills in all
    run.py --stop NAME   20 kills at the stops whose names begin so

Prints `kills=... torn=... stuck=... lost=...`; the last three must be 0.

torn    an exemplar that nobody made so, of another series or bucket, not counted, or older than one shown before; an answer
        that prometheus_client's strict parser refuses
stuck   a process that a dead or stopped one keeps from going on, a slot that stays busy, a segment that cannot be attached to
lost    an observation that was acknowledged and is not counted, or one counted that nobody began
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

import gauges
import passing
import points
from judge import Found, Journal, Judge, Shown

ROOT = points.ROOT
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute() / "crash"
CRASH, SPANPIN = TARGET / "release" / "spanpin-crash", TARGET / "release" / "spanpin"
RANDOM, AT_EACH, SHORT = 2000, 20, 200
# Kills in one batch: one segment each, but for the scene `making`.
BATCH = 25
# Slots of workers that the writers and newcomers of a batch take at the same time, at most.
WORKERS = 12
# A batch that takes longer is stuck; a process that waits for something ends by itself long before.
MINUTES = 15
SHOWN_FAULTS = 10


def build() -> None:
    """The program and the command with the stops in, apart from all other builds."""
    flags = f"{os.environ.get('RUSTFLAGS', '')} --cfg spanpin_stops".strip()
    command = ["cargo", "build", "-q", "--release", "-p", "spanpin-crash", "-p", "spanpin-cli", "--bins", "--target-dir", str(TARGET)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "RUSTFLAGS": flags}, check=True)


@dataclasses.dataclass(frozen=True)
class Batch:
    scene: str
    seed: int
    # The stops and how many are killed at each; for the scene `random` one without a name.
    kills: tuple[tuple[str, int], ...]
    on_disk: bool = False

    def arguments(self, folder: pathlib.Path) -> list[str]:
        rest = [text for stop, kills in self.kills for text in (stop, str(kills)) if text]
        return [self.scene, str(folder), str(self.seed), *rest]


@dataclasses.dataclass
class Outcome:
    kills: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    found: Found = dataclasses.field(default_factory=Found)
    bodies: int = 0
    exemplars: int = 0
    kept: list[str] = dataclasses.field(default_factory=list)

    def add(self, other: Outcome) -> None:
        self.kills += other.kills
        self.found.add(other.found)
        self.bodies += other.bodies
        self.exemplars += other.exemplars
        self.kept += other.kept


def ended(what: str, done: subprocess.CompletedProcess[str]) -> str | None:
    """Why a process of ours has not ended well."""
    if done.returncode == 0:
        return None
    if done.returncode == -signal.SIGALRM:
        return f"{what} waited for something that did not come"
    text = done.stderr.strip() or done.stdout.strip()
    return f"{what} ended with {done.returncode}: {text[-1500:]}"


def run(*command: str | pathlib.Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RUST_BACKTRACE": "0"}
    words = [str(word) for word in command]
    try:
        return subprocess.run(words, capture_output=True, text=True, env=environment, timeout=MINUTES * 60, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, -signal.SIGALRM, "", "")


def play(batch: Batch) -> Outcome:
    outcome = Outcome()
    memory = pathlib.Path("/dev/shm")
    parent = ROOT / "build" if batch.on_disk or not memory.is_dir() else memory
    parent.mkdir(exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="spanpin-crash-", dir=parent))
    done = run(CRASH, *batch.arguments(folder))
    events = [json.loads(line) for line in done.stdout.splitlines()]
    outcome.kills.update(event["kill"] for event in events if "kill" in event)
    places: list[list[dict[str, Any]]] = []
    for event in events:
        if "place" in event:
            places.append([])
        places[-1].append(event)
    if why := ended("the batch", done):
        outcome.found.stuck.append(f"{why}\nafter {events[-3:]}")
    else:
        wanted = sum(kills for _, kills in batch.kills)
        assert sum(outcome.kills.values()) >= wanted, "a batch that ends well has killed as many as it was to"
    for number, place in enumerate(places, 1):
        # Where a batch breaks off, writers may still be at work.
        is_at_rest = done.returncode == 0 or number < len(places)
        judge_place(pathlib.Path(place[0]["place"]), place[1:], is_at_rest, outcome)
    if outcome.found:
        outcome.kept.append(f"{folder}: {batch}")
    else:
        shutil.rmtree(folder)
    return outcome


def judge_place(folder: pathlib.Path, events: list[dict[str, Any]], is_at_rest: bool, outcome: Outcome) -> None:
    judge = Judge()
    shown: Shown = {}
    for event in events:
        if "body" in event:
            shown = judge.answer(event["who"], (folder / event["body"]).read_text())
            judge.totals(shown, event["finished"], event["begun"])
            gauges.while_running(judge.gauges, event["added"], event["mixed"], judge.found)
            passing.while_running(judge, event["passing"])
    if is_at_rest:
        registries = sum("attached" in event for event in events)
        judge_at_rest(folder, shown, judge, registries + WORKERS)
    outcome.found.add(judge.found)
    outcome.bodies += judge.bodies
    outcome.exemplars += judge.exemplars


def judge_at_rest(folder: pathlib.Path, shown: Shown, judge: Judge, most_workers: int) -> None:
    segment = folder / "segment"
    judge.at_rest(shown, Journal(folder / "journal"))
    noted = gauges.Noted(folder / "journal")
    gauges.at_rest(judge.gauges, noted, noted.living, judge.found)
    come_and_gone = passing.Noted(folder / "journal")
    passing.at_rest(judge, come_and_gone, noted.living)
    last = {**shown, **judge.passing}
    inspected = run(SPANPIN, "inspect", "--json", segment)
    dumped = run(SPANPIN, "dump", segment)
    probed = run(CRASH, "probe", folder)
    for what, done in [("spanpin inspect", inspected), ("spanpin dump", dumped), ("a newcomer", probed)]:
        if why := ended(what, done):
            judge.found.stuck.append(why)
    if inspected.returncode == 0:
        facts = json.loads(inspected.stdout)
        workers = facts["workers"]["ever"]
        if len(workers) > most_workers or any(worker["alive"] for worker in workers):
            judge.found.stuck.append(f"slots of workers that are gone are not used again, or not free: {workers}")
        told = {family["name"]: family["total"] for family in facts["families"]}
        counted: dict[str, float] = collections.defaultdict(float)
        for (family, _), (count, _) in last.items():
            counted[family] += count
        if {family: total for family, total in told.items() if total} != {f: c for f, c in counted.items() if c}:
            judge.found.lost.append(f"spanpin inspect counts {told}, a scrape {dict(counted)}")
    if dumped.returncode == 0:
        judge.answer("", dumped.stdout)
        gauges.at_rest(judge.gauges, noted, set(), judge.found)
        passing.at_rest(judge, come_and_gone, set())
    if probed.returncode == 0:
        judge.at_rest(judge.answer("a", (folder / "probe").read_text()), Journal(folder / "journal"))
        noted = gauges.Noted(folder / "journal")
        gauges.at_rest(judge.gauges, noted, {gauges.PROBE}, judge.found, setter=gauges.PROBE)
        passing.at_rest(judge, passing.Noted(folder / "journal"), {gauges.PROBE})


def spread(kills: int, most: int) -> list[int]:
    """Parts of at most `most` that are `kills` together."""
    return [min(most, kills - done) for done in range(0, kills, most)]


def batches(stops: list[points.Stop], at_each: int, at_random: int, seed: int) -> list[Batch]:
    """Random kills in batches, and stops of one scene together as long as a batch has room."""
    dice = random.Random(seed)
    made: list[tuple[str, tuple[tuple[str, int], ...]]] = [("random", (("", kills),)) for kills in spread(at_random, BATCH)]
    for scene in ["stops", "making", "other-boot", "eviction"]:
        room = BATCH
        part: list[tuple[str, int]] = []
        for stop in (stop for stop in stops if stop.scene == scene):
            if room < at_each:
                made.append((scene, tuple(part)))
                room, part = BATCH, []
            part.append((stop.name, at_each))
            room -= at_each
        if part:
            made.append((scene, tuple(part)))
    return [Batch(scene, dice.randrange(1 << 32), kills, number % 3 == 2) for number, (scene, kills) in enumerate(made)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help=f"{SHORT} kills in all")
    parser.add_argument("--stop", default="", help="only stops whose names begin so, and no random moments")
    parser.add_argument("--random", type=int, default=RANDOM, help=f"kills at random moments, {RANDOM} by default")
    parser.add_argument("--each", type=int, default=AT_EACH, help=f"kills at each stop, {AT_EACH} by default")
    parser.add_argument("--seed", type=int, default=time.time_ns() % (1 << 32), help="of what is random; printed when it matters")
    parser.add_argument("--jobs", type=int, default=2, help="batches at a time, 2 by default")
    arguments = parser.parse_args()
    stops, places = points.read()
    if wrong := points.faults(stops, places):
        print("\n".join(wrong), file=sys.stderr)
        return 1
    stops = [stop for stop in stops if stop.name.startswith(arguments.stop)]
    each = 1 if arguments.short else arguments.each
    at_random = SHORT - 2 * len(stops) if arguments.short else arguments.random
    build()
    started = time.monotonic()
    total = Outcome()
    planned = batches(stops, each, 0 if arguments.stop else at_random, arguments.seed)
    with concurrent.futures.ProcessPoolExecutor(arguments.jobs) as pool:
        for outcome in pool.map(play, planned):
            total.add(outcome)
    found = total.found
    for word in ["torn", "stuck", "lost"]:
        for fault in getattr(found, word)[:SHOWN_FAULTS]:
            print(f"{word}: {fault}")
    for kept in total.kept:
        print(f"kept: {kept}; the run had --seed {arguments.seed}")
    fewest = min((total.kills[stop.name] for stop in stops), default=0)
    took = time.monotonic() - started
    print(
        f"{len(stops)} stops, at least {fewest} kills at each, {total.kills['random']} at random moments, "
        f"{total.kills['overtaken']} after they were overtaken; "
        f"{total.bodies} answers with {total.exemplars} exemplars judged; {took:.0f} s"
    )
    print(f"kills={total.kills.total()} torn={len(found.torn)} stuck={len(found.stuck)} lost={len(found.lost)}")
    return 1 if found or fewest < each else 0


if __name__ == "__main__":
    sys.exit(main())
