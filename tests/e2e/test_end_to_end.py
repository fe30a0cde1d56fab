"""What a real Prometheus knows of the requests that four services answered."""

import collections
import itertools
import math
import time

import buckets
import pytest
from e2e_run import BUCKET_SERIES, COUNTER_SERIES, JOBS, Run
from fleet import Service
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_server import Exemplar, Prometheus
from traffic import Client

OUT_OF_ORDER = "prometheus_target_scrapes_exemplar_out_of_order_total"
APPENDED = "prometheus_tsdb_exemplar_exemplars_appended_total"


@pytest.fixture
def service(run: Run, language: str) -> Service:
    return run.service(language)


def _stored(server: Prometheus, series: str, service: Service, since: float) -> list[Exemplar]:
    return server.exemplars(f'{series}{{service="{service.language}"}}', since)


def test_server_is_of_the_form(run: Run) -> None:
    version = run.need_servers()[0].version()
    lowest = {"short": (2, 42), "full": (3, 15)}[run.form.name]
    assert tuple(int(part) for part in version.split("+")[0].split(".")[:2]) >= lowest, version


def test_every_answer_was_accepted(run: Run) -> None:
    for server in run.need_servers():
        assert server.scrape_errors() == []
        scrapes = server.scrapes()
        assert len(scrapes) == len(JOBS) * len(run.services)
        assert min(scrapes.values()) >= run.form.scrapes


def test_stored_ids_are_of_sampled_spans(run: Run, service: Service) -> None:
    for server in run.servers:
        stored = _stored(server, BUCKET_SERIES, service, run.started)
        counters = _stored(server, COUNTER_SERIES, service, run.started)
        # Asked for after the exemplars, so that no stored span is too new to be listed.
        spans = service.spans()
        assert stored, f"server {server.name} stored no exemplar of a bucket"
        assert counters, f"server {server.name} stored no exemplar of a counter"
        for exemplar in stored + counters:
            assert set(exemplar.labels) == {"trace_id", "span_id"}, exemplar
            span = spans.get((exemplar.labels["trace_id"], exemplar.labels["span_id"]))
            assert span is not None, f"no sampled span was made with the ids of {exemplar}"
            assert span["route"] == exemplar.series["route"], exemplar
        for exemplar in stored:
            span = spans[(exemplar.labels["trace_id"], exemplar.labels["span_id"])]
            assert exemplar.value == span["seconds"], exemplar
        assert {exemplar.value for exemplar in counters} == {1.0}


def test_spans_continue_the_traces_that_were_sent(service: Service) -> None:
    sampled = {sent.trace_id for sent in service.ledger.sent() if sent.kind == "sampled"}
    spans = service.spans()
    assert {trace_id for trace_id, _ in spans} == sampled
    assert len({span_id for _, span_id in spans}) == len(spans) == len(sampled)


def test_value_lies_in_its_bucket(run: Run, service: Service) -> None:
    for server in run.servers:
        for exemplar in _stored(server, BUCKET_SERIES, service, run.started):
            assert buckets.index_of(exemplar.value) == buckets.index_of_le(exemplar.series["le"]), exemplar


def test_times_are_of_the_run_and_grow(run: Run, service: Service) -> None:
    for server in run.servers:
        by_series = collections.defaultdict(list)
        for exemplar in _stored(server, BUCKET_SERIES, service, run.started - 3600):
            assert run.started - 1 <= exemplar.timestamp <= time.time() + 1, exemplar
            by_series[tuple(sorted(exemplar.series.items()))].append(exemplar.timestamp)
        for series, stamps in by_series.items():
            assert all(a < b for a, b in itertools.pairwise(stamps)), (series, stamps)


def test_every_bucket_with_a_sampled_request_has_an_exemplar(run: Run, service: Service) -> None:
    # The route of the direct scrapes is used after the last awaited scrape.
    wanted = {(route, index) for route, index in service.ledger.sampled_buckets() if route != "/direct"}
    for server in run.servers:
        for job in JOBS:
            found = {
                (e.series["route"], buckets.index_of_le(e.series["le"]))
                for e in _stored(server, BUCKET_SERIES, service, run.started)
                if e.series["job"] == job and e.series["route"] != "/direct"
            }
            # Equality: a bucket that only unsampled requests met has none.
            assert found == wanted, f"server {server.name}, job {job}"


def test_probe_is_stored_within_two_scrapes(run: Run, service: Service) -> None:
    probes = run.probes[service.language]
    assert {sent.bucket for sent in probes} == set(range(len(buckets.BOUNDS)))
    wanted = {sent.bucket: sent.trace_id for sent in probes}
    for server in run.servers:
        for job in JOBS:
            stored = run.probe_stored[(server.name, job, service.language)]
            found = {buckets.index_of_le(e.series["le"]): e.labels["trace_id"] for e in stored}
            assert found == wanted, f"server {server.name}, job {job}"


def _exemplars_by_bucket(service: Service, route: str) -> dict[int, str]:
    """Scrape the service directly; return the trace id shown in each bucket of `route`."""
    content_type, body = service.scrape()
    assert content_type.startswith("application/openmetrics-text"), content_type
    return {
        buckets.index_of_le(sample.labels["le"]): sample.exemplar.labels["trace_id"]
        for family in text_string_to_metric_families(body)
        for sample in family.samples
        if sample.name == BUCKET_SERIES and sample.labels["route"] == route and sample.exemplar
    }


def test_two_direct_scrapes_show_every_sampled_bucket(run: Run, service: Service) -> None:
    client = Client(service.port, service.ledger, seed=77)
    for value in (0.004, 0.004, 0.3, 0.3, 7.0, 30.0):
        client.send("/direct", value, "unsampled")
    sampled = [client.send("/direct", value, "sampled") for value in (0.004, 0.3, 7.0)]
    shown: dict[int, str] = {}
    for _ in range(2):
        # Scrapes closer than 20 ms share a window, and the servers scrape too.
        time.sleep(0.05)
        shown.update(_exemplars_by_bucket(service, "/direct"))
    assert shown == {sent.bucket: sent.trace_id for sent in sampled}


def test_text_format_carries_no_exemplar(run: Run, service: Service) -> None:
    for accept in ("*/*", "text/plain; version=0.0.4"):
        content_type, body = service.scrape(accept)
        assert content_type.startswith("text/plain"), content_type
        assert BUCKET_SERIES in body
        assert "# {" not in body and "# EOF" not in body


def test_counts_equal_the_requests_sent(run: Run, service: Service) -> None:
    assert service.ledger.errors() == []
    sent = service.ledger.sent()
    by_bucket = collections.Counter((s.route, s.bucket) for s in sent)
    by_route = service.ledger.count_by_route()
    samples = {
        (sample.name, sample.labels.get("route"), sample.labels.get("le")): sample.value
        for family in text_string_to_metric_families(service.scrape()[1])
        for sample in family.samples
    }
    for route, count in by_route.items():
        assert samples[(COUNTER_SERIES, route, None)] == count
        assert samples[("e2e_request_duration_seconds_count", route, None)] == count
        total = math.fsum(s.seconds for s in sent if s.route == route)
        assert samples[("e2e_request_duration_seconds_sum", route, None)] == pytest.approx(total, rel=1e-9)
        below = 0
        cumulative = {buckets.index_of_le(le): value for (name, r, le), value in samples.items() if name == BUCKET_SERIES and r == route}
        for index in range(len(buckets.BOUNDS)):
            below += by_bucket[(route, index)]
            assert cumulative[index] == below, (route, buckets.BOUNDS[index])


def test_servers_count_the_requests_too(run: Run, service: Service) -> None:
    # The routes of tests that send later may not have been scraped yet.
    routes = {r: n for r, n in service.ledger.count_by_route().items() if r != "/direct"}
    for server in run.servers:
        for job in JOBS:
            for series in (COUNTER_SERIES, "e2e_request_duration_seconds_count"):
                found = {
                    row["metric"]["route"]: int(row["value"][1])
                    for row in server.query(f'{series}{{service="{service.language}",job="{job}"}}')
                    if row["metric"]["route"] != "/direct"
                }
                assert found == routes, f"server {server.name}, job {job}, {series}"


def test_no_exemplar_was_out_of_order(run: Run) -> None:
    run.need_servers()
    assert run.curl is not None and run.curl.errors == [] and run.curl.answers > 0
    for server in run.servers:
        assert server.own_metric(APPENDED) > 0
        assert server.own_metric(OUT_OF_ORDER) == 0, server.log_tail()


def test_a_target_that_steps_back_is_noticed(run: Run) -> None:
    run.need_servers()
    assert run.control is not None
    assert run.control.own_metric(OUT_OF_ORDER) > 0
