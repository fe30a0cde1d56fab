#!/usr/bin/env python3
"""The shop: slow requests and their traces, in Python, Go, C and Rust.

Starts two users services and two orders services, sends them traffic, and
follows each exemplar they show to the log line of its request and to the
spans of its trace. Then the services stay up until Ctrl-C.

Exit status: 0 if every bucket that sampled requests fell into led to one of
them; 1 if not, or if something could not be built or started; 130 after
Ctrl-C before the result.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import time
import urllib.request
from pathlib import Path

from driver import building, prometheus
from driver.building import BuildError
from driver.exposition import Sample, parse
from driver.following import Records, check_records, examine, follow
from driver.processes import ORDERS, Processes, StartError
from driver.showing import show
from driver.traffic import Scraper, Traffic

RUNS = building.BUILD / "demo"


def scrape(url: str) -> list[Sample]:
    headers = {"Accept": "application/openmetrics-text; version=1.0.0", "User-Agent": "shop-demo"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/metrics", headers=headers), timeout=30) as answer:
        content_type = answer.headers["Content-Type"]
        if not content_type.startswith("application/openmetrics-text"):
            raise ValueError(f"{url}/metrics answered {content_type}, not OpenMetrics")
        return parse(answer.read().decode())


def new_folder() -> Path:
    """A folder for the logs of this run. Those of runs that have ended are removed."""
    for old in RUNS.glob("run-*"):
        try:
            os.kill(int(old.name.removeprefix("run-")), 0)
        except ProcessLookupError:
            shutil.rmtree(old, ignore_errors=True)
        except (PermissionError, ValueError):
            continue
    folder = RUNS / f"run-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def step(text: str) -> None:
    print(text, flush=True)


def build() -> dict[str, list[str]]:
    building.check_tools()
    building.BINARIES.mkdir(parents=True, exist_ok=True)
    step("Building the library, the Go archive and the Python package ...")
    building.build_library()
    commands = {}
    for name, builder in building.SERVICES.items():
        step(f"Building {name} ...")
        commands[name] = builder()
    return commands


def start_prometheus(folder: Path, urls: dict[str, str], processes: Processes) -> prometheus.Prometheus | None:
    binary = prometheus.find()
    if binary is None:
        named = os.environ.get("PROMETHEUS")
        which = f"PROMETHEUS={named} is no program" if named else "No Prometheus was found"
        step(f"{which}, so only the services' own /metrics are read; {prometheus.HOW_TO_GET}.")
        return None
    try:
        server = prometheus.Prometheus(binary, folder, urls, processes)
    except (StartError, OSError) as error:
        step(f"Going on without Prometheus: {error}")
        return None
    step(f"{'prometheus':13} {server.url}  (version {server.version})")
    return server


def watch(traffic: Traffic, processes: Processes) -> list[str]:
    """Show the progress until all requests are answered."""
    started = told = time.monotonic()
    terminal = sys.stdout.isatty()
    while traffic.running():
        time.sleep(0.2)
        dead = processes.dead()
        if dead:
            traffic.stop()
            return [f"{name} ended by itself:\n{processes.stderr(name)}" for name in dead]
        now = time.monotonic()
        text = f"Traffic: {traffic.answered()} of {traffic.total} requests answered, {now - started:.0f} s"
        if terminal:
            print(f"\r\x1b[K{text}", end="", flush=True)
        elif now - told >= 5:
            told = now
            step(text)
    if terminal:
        print("\r\x1b[K", end="")
    step(f"Traffic: {traffic.answered()} of {traffic.total} requests answered, {time.monotonic() - started:.0f} s")
    return []


def run(arguments: argparse.Namespace, processes: Processes, commands: dict[str, list[str]]) -> int:
    urls: dict[str, str] = {}
    for name, command in commands.items():
        urls[name] = processes.start_service(name, command, urls)
        step(f"{name:13} {urls[name]}")
    server = start_prometheus(processes.folder, urls, processes)

    rng = random.Random(arguments.seed)
    entries = {name: urls[name] for name in ORDERS}
    traffic = Traffic(entries, rng, arguments.requests, arguments.clients)
    scraper = Scraper(urls, 1.0, scrape)
    scraper.start()
    traffic.start()
    problems = watch(traffic, processes)
    scraper.finish()

    records = Records.read(processes.folder, urls)
    shop, exemplars, found = examine(scraper.scrapes, traffic.requests, records)
    buckets = [bucket for service in shop.values() for bucket in service]
    problems += found + traffic.failures + scraper.failures
    problems += check_records(traffic.requests, traffic.statuses, records)
    if traffic.answered() != traffic.total:
        problems.append(f"{traffic.total - traffic.answered()} of {traffic.total} requests were not answered")
    stored = None
    if server is not None:
        stored = server.wait_for(buckets, 15)
        for bucket in buckets:
            ours = stored.get(bucket.key, [])
            problems += [f"in Prometheus: {problem}" for e in ours for problem in follow(bucket, e, traffic.requests, records)]
            if bucket.sampled and not ours:
                problems.append(f"in Prometheus: {bucket}: no exemplar, although {bucket.sampled} sampled requests fell into it")
    for name in entries | urls:
        show(name, urls[name], shop[name], stored)

    led = sum(1 for bucket in buckets if bucket.exemplar)
    wanted = sum(1 for bucket in buckets if bucket.sampled)
    step(f"{led} of {wanted} buckets and error counters with sampled requests show one; all {exemplars} exemplars scraped were followed.")
    if stored is not None:
        same = sum(1 for bucket in buckets if prometheus.holds(stored, bucket))
        step(f"Prometheus stored {sum(map(len, stored.values()))} exemplars; {same} of the {led} shown above are among them.")
    for problem in problems[:20]:
        step(f"PROBLEM: {problem}")
    if len(problems) > 20:
        step(f"... and {len(problems) - 20} more problems")
    if not arguments.once and not problems:
        stay(urls, entries, server, rng, processes)
    return 1 if problems else 0


def stay(
    urls: dict[str, str], entries: dict[str, str], server: prometheus.Prometheus | None, rng: random.Random, processes: Processes
) -> None:
    """A few requests go on, because an exemplar is shown for no longer than 90 s after it was last new."""
    traffic = Traffic(entries, rng, sys.maxsize, 2, pause=0.5)
    traffic.start()
    step("\nThe shop stays up, with a little traffic, until Ctrl-C:")
    for name, url in urls.items():
        step(f"  curl -H 'Accept: application/openmetrics-text' {url}/metrics    # {name}")
    if server is not None:
        query = f"{server.url}/api/v1/query_exemplars?query=shop_errors_total&start=$(date -d -1hour +%s)&end=$(date +%s)"
        step(f'  curl "{query}"')
    step(f"  tail -f {processes.folder.relative_to(building.ROOT)}/*.log")
    try:
        while not processes.dead():
            time.sleep(0.5)
        step(f"ended by itself: {', '.join(processes.dead())}")
    except KeyboardInterrupt:
        step("\nEnding the shop.")
    traffic.ask_to_stop()


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--once", action="store_true", help="end after the result")
    parser.add_argument("--requests", type=int, default=600, help="requests to each users service (%(default)s)")
    parser.add_argument("--clients", type=int, default=8, help="clients of each users service (%(default)s)")
    parser.add_argument("--seed", type=int, help="of the trace ids; another one each time by default")
    arguments = parser.parse_args()
    if arguments.requests < 1 or arguments.clients < 1:
        parser.error("--requests and --clients must be at least 1")
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    try:
        commands = build()
        with Processes(new_folder()) as processes:
            return run(arguments, processes, commands)
    except (BuildError, StartError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
