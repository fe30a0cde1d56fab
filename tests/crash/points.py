"""The stops in the source of the core, and whether every synchronisation on words of a segment has one.

A stop is `#[cfg(spanpin_stops)] crate::stops::at("name: where");`. Its name is that of the `SYNC(name)` it stands at, or one
of STEPS for what is no synchronisation.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ROOT / "rust-core" / "src"

# Synchronisations of one process' threads with each other: a process that dies takes their words along.
LOCAL = {
    "exclusive": "copies of counts, and what a process knows of removed series, in its own memory",
    "index-insert": "each process has an index of its own",
    "index-table": "each process has an index of its own",
    "lock": "the lock of a registry in one process; children of fork have their own copy",
    "shared-drop": "the holders of a registry in one process",
    "text-block": "label texts in a process' own memory",
    "text-change": "label texts in a process' own memory",
    "text-life": "label texts in a process' own memory",
    "stripes-known": "what one process knows of stripes; that they are there is stripes-publish",
    "worker-own": "what one process knows of its own slot; that it has it is worker-slot",
}

# What is no synchronisation, but leaves something half done.
STEPS = {
    "allocate": "bytes that are charged and not handed out",
    "attaching": "the file is open and not mapped",
    "counting": "an observation in its bucket, and not in the sum",
    "growth": "the file has grown and its header does not say so",
    "making": "a file that has no name yet, or two",
    "other-boot": "a segment that an earlier boot of the system has left",
    "removing": "a series that is removed, and not counted out",
    "window": "a window that is closed in one of its two words",
}

STOP = re.compile(r'crate::stops::at\(\s*"([^"]*)"')
SYNC = re.compile(r"^\s*// SYNC\(([\w-]+)\)")
# So far a stop may be from the comment that names the synchronisation.
NEAR = 12


@dataclasses.dataclass(frozen=True)
class Stop:
    name: str
    file: str
    line: int

    @property
    def sync(self) -> str:
        return self.name.split(":")[0]

    @property
    def scene(self) -> str:
        """Which scene of the program comes to it."""
        if self.sync in {"making", "other-boot"}:
            return self.sync
        if self.name.startswith("block-publish: table of workers"):
            return "making"
        if self.name.startswith("scraper-table: evicting") or self.name == "scraper-mark: floor lifted":
            return "eviction"
        return "other-boot" if self.name.endswith("of another boot") else "stops"


def read(sources: pathlib.Path = SOURCES) -> tuple[list[Stop], list[tuple[str, str, int]]]:
    """The stops, and the places of synchronisations: name, file, line."""
    stops: list[Stop] = []
    places: list[tuple[str, str, int]] = []
    for path in sorted(sources.rglob("*.rs")):
        name = path.relative_to(sources).as_posix()
        if name == "stops.rs":
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            stops += [Stop(found, name, number) for found in STOP.findall(line)]
            if match := SYNC.match(line):
                places.append((match[1], name, number))
    return stops, places


def faults(stops: list[Stop], places: list[tuple[str, str, int]]) -> list[str]:
    """What is missing: a place without a stop near it, a stop without a name that is known, a name that is gone."""
    names = {name for name, _, _ in places}
    wrong = [f"LOCAL has {name}, which is no synchronisation of the core any more" for name in sorted(set(LOCAL) - names)]
    used = {stop.sync for stop in stops}
    wrong += [f"STEPS has {name}, which has no stop" for name in sorted(set(STEPS) - used)]
    for stop in stops:
        if stop.sync not in names - set(LOCAL) and stop.sync not in STEPS:
            wrong.append(f'{stop.file}:{stop.line}: the stop "{stop.name}" is of no shared SYNC and of no step')
    seen: set[str] = set()
    for stop in stops:
        if stop.name in seen:
            wrong.append(f'{stop.file}:{stop.line}: there is another stop "{stop.name}"')
        seen.add(stop.name)
    for name, file, line in places:
        near = [s for s in stops if s.sync == name and s.file == file and abs(s.line - line) <= NEAR]
        if name not in LOCAL and not near:
            wrong.append(f"{file}:{line}: SYNC({name}) has no stop, and points.py does not say that it is local")
    return wrong
