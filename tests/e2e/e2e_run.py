"""The run that all end-to-end tests look at: services, servers, traffic.

It records, the tests assert.
"""

import contextlib
import os
import pathlib
import subprocess
import time
from dataclasses import dataclass, field

import buckets
import pytest
from control_target import ControlTarget
from curl_loop import CurlLoop
from fleet import ROOT, MissingPrerequisite, Service
from prometheus_server import Exemplar, Prometheus
from traffic import Client, Sent, Traffic

BUCKET_SERIES = "e2e_request_duration_seconds_bucket"
COUNTER_SERIES = "e2e_requests_total"
# "own" scrapes under an address of its own per server, "shared" makes both
# servers look like one scraper, as replicas behind one proxy do.
JOBS = ("own", "shared")


@dataclass(frozen=True)
class Form:
    name: str
    scrapes: int
    tool: str


SHORT = Form("short", 12, "tools/prometheus-debian.sh")
FULL = Form("full", 60, "tools/prometheus/build.sh")


@dataclass
class Run:
    """Everything the tests need to know of the run."""

    form: Form
    started: float = 0.0
    services: dict[str, Service] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    servers: list[Prometheus] = field(default_factory=list)
    control: Prometheus | None = None
    curl: CurlLoop | None = None
    probes: dict[str, list[Sent]] = field(default_factory=dict)
    # Stored exemplars of the probe route at the moment a (server, job,
    # service) had made its second good scrape after the probe.
    probe_stored: dict[tuple[str, str, str], list[Exemplar]] = field(default_factory=dict)

    def service(self, language: str) -> Service:
        if language in self.skipped:
            pytest.skip(f"{language} service: {self.skipped[language]}")
        if language in self.broken:
            pytest.fail(f"{language} service: {self.broken[language]}", pytrace=False)
        return self.services[language]

    def need_servers(self) -> list[Prometheus]:
        if not self.servers:
            reasons = "; ".join(f"{k}: {v}" for k, v in {**self.skipped, **self.broken}.items())
            if self.broken:
                pytest.fail(f"no service runs: {reasons}", pytrace=False)
            pytest.skip(f"no service can run here: {reasons}")
        return self.servers


def find_prometheus(form: Form) -> str:
    """Return the path of the server binary; SPANPIN_PROMETHEUS overrides the tool of the form."""
    given = os.environ.get("SPANPIN_PROMETHEUS")
    if given:
        return given
    done = subprocess.run([str(ROOT / form.tool)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingPrerequisite((done.stderr.strip().splitlines() or ["no message"])[-1])
    return str(pathlib.Path(done.stdout.strip()) / "prometheus")


def _jobs(name: str, services: dict[str, Service]) -> list[dict]:
    targets = [{"targets": [f"127.0.0.1:{service.port}"], "labels": {"service": language}} for language, service in services.items()]
    return [
        {"job_name": "own", "params": {"replica": [name]}, "static_configs": targets},
        {"job_name": "shared", "static_configs": targets},
    ]


def _wait_for_scrapes(run: Run, count: int, since: float) -> None:
    """Wait until every server made `count` good scrapes of every service in every job."""
    deadline = time.monotonic() + 120 + 4 * count
    while time.monotonic() < deadline:
        for language, service in run.services.items():
            if not service.is_running():
                raise RuntimeError(f"the {language} service ended:\n{service.log_tail()}")
        made = [server.scrapes(since).get((job, language), 0) for server in run.servers for job in JOBS for language in run.services]
        if made and min(made) >= count:
            return
        time.sleep(0.5)
    errors = [e for server in run.servers for e in server.scrape_errors()]
    raise RuntimeError(f"not every target was scraped {count} times; last errors: {errors}")


def _probe(run: Run) -> None:
    """Send one sampled request into each bucket of a fresh route, then watch two scrapes."""
    for number, (language, service) in enumerate(run.services.items()):
        client = Client(service.port, service.ledger, seed=9000 + number)
        run.probes[language] = [client.send("/probe", low + 0.001, "sampled") for low in (0.0, *buckets.BOUNDS[:-1])]
    # Prometheus may move a scrape's time by a few milliseconds.
    since = time.time() + 0.01
    waiting = {(s.name, job, lang): s for s in run.servers for job in JOBS for lang in run.services}
    deadline = time.monotonic() + 120
    while waiting and time.monotonic() < deadline:
        for server in run.servers:
            made = server.scrapes(since)
            for key in [k for k in waiting if k[0] == server.name and made.get(k[1:], 0) >= 2]:
                _, job, language = key
                selector = f'{BUCKET_SERIES}{{route="/probe",job="{job}",service="{language}"}}'
                run.probe_stored[key] = server.exemplars(selector, run.started)
                del waiting[key]
        time.sleep(0.05)
    if waiting:
        raise RuntimeError(f"no two good scrapes after the probe: {sorted(waiting)}")


@contextlib.contextmanager
def make_run(form: Form, languages: list[str], folder: pathlib.Path):
    """Make the run; yields it once traffic and probe are over, servers still up."""
    result = Run(form, started=time.time())
    if CurlLoop.path() is None:
        pytest.skip("curl was not found; install the package 'curl'")
    try:
        binary = find_prometheus(form)
    except MissingPrerequisite as missing:
        pytest.skip(f"Prometheus: {missing}")

    with contextlib.ExitStack() as stack:
        for language in languages:
            service = Service(language, folder)
            stack.callback(service.stop)
            try:
                service.start()
            except MissingPrerequisite as missing:
                result.skipped[language] = str(missing)
                continue
            except RuntimeError as error:
                # A service that does not build or start fails its own tests,
                # not those of the others.
                result.broken[language] = str(error)
                continue
            result.services[language] = service
        if not result.services:
            yield result
            return

        for name in ("a", "b"):
            server = Prometheus(binary, folder, name, _jobs(name, result.services))
            stack.callback(server.stop)
            server.start()
            result.servers.append(server)
        control = stack.enter_context(ControlTarget())
        target = {"targets": [f"127.0.0.1:{control.port}"], "labels": {"service": "control"}}
        result.control = Prometheus(binary, folder, "control", [{"job_name": "own", "static_configs": [target]}])
        stack.callback(result.control.stop)
        result.control.start()
        ports = [service.port for service in result.services.values()]
        result.curl = stack.enter_context(CurlLoop(ports))

        with contextlib.ExitStack() as traffic:
            for number, service in enumerate(result.services.values()):
                traffic.enter_context(Traffic(service.port, service.ledger, seed=number))
            _wait_for_scrapes(result, form.scrapes, result.started)
            _probe(result)
        # Traffic has ended: two more scrapes show all of it.
        _wait_for_scrapes(result, 2, time.time() + 0.01)
        yield result
