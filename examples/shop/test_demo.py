"""The checks of the demo find what they are there for. `demo.py --once` itself is a suite of `make test`."""

from __future__ import annotations

import dataclasses
import json
import random
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest
from driver.exposition import Exemplar, Sample, parse
from driver.following import Bucket, Records, buckets_of, check_records, examine, follow
from driver.processes import Processes, StartError
from driver.showing import Style, bucket_lines, slow_span
from driver.traffic import Request, deal

PAGE = """# TYPE shop_request_duration_seconds histogram
# UNIT shop_request_duration_seconds seconds
# HELP shop_request_duration_seconds Time to answer a request.
shop_request_duration_seconds_bucket{service="orders-c",route="/orders",le="1.0"} 0
shop_request_duration_seconds_bucket{service="orders-c",route="/orders",le="2.5"} 2 # %s
shop_request_duration_seconds_bucket{service="orders-c",route="/orders",le="+Inf"} 2
shop_request_duration_seconds_count{service="orders-c",route="/orders"} 2
shop_request_duration_seconds_sum{service="orders-c",route="/orders"} 4.5
# EOF
"""
TRACE, UNSAMPLED = "0000000000000001" + f"{11_005:016x}", "0000000000000002" + f"{11_005:016x}"
USER, ORDER, SENDER = "a" * 16, "b" * 16, "c" * 16
EXEMPLAR = f'{{trace_id="{TRACE}",span_id="{ORDER}"}} 2.25 1795237419.258'


@pytest.fixture
def requests() -> dict[str, Request]:
    # By their draw, 11005, they may be as fast as they like and must not fail.
    return {TRACE: Request(TRACE, SENDER, True), UNSAMPLED: Request(UNSAMPLED, SENDER, False)}


@pytest.fixture
def records(tmp_path: Path) -> Records:
    for service, span, parent, route in (("users-python", USER, SENDER, "/users"), ("orders-c", ORDER, USER, "/orders")):
        common = {"service": service, "duration": 2.25}
        logs = [{**common, "time": 1.0, "route": route, "trace_id": t, "span_id": span, "status": 200} for t in (TRACE, UNSAMPLED)]
        spans = [{**common, "start": 1.0, "trace_id": TRACE, "span_id": span, "parent": parent, "name": f"GET {route}"}]
        (tmp_path / f"{service}.log").write_text("".join(json.dumps(line) + "\n" for line in logs))
        (tmp_path / f"{service}.spans").write_text("".join(json.dumps(line) + "\n" for line in spans))
    return Records.read(tmp_path, ["users-python", "orders-c"])


def page(exemplar: str = EXEMPLAR) -> list[Sample]:
    return parse(PAGE % exemplar)


def test_a_good_page_leads_to_its_request(requests: dict[str, Request], records: Records) -> None:
    found, exemplars, problems = examine({"orders-c": [page()]}, requests, records)
    assert problems == []
    assert exemplars == 1
    (bucket,) = found["orders-c"]
    assert (bucket.lower, bucket.upper, bucket.count, bucket.sampled) == (1.0, 2.5, 2, 1)
    assert bucket.log is not None and bucket.log.number == 1
    assert [span.service for span in bucket.spans] == ["users-python", "orders-c"]
    lines = "\n".join(bucket_lines(bucket, None, Style()))
    assert TRACE in lines and "◀ slow" in lines


@pytest.mark.parametrize(
    ("exemplar", "problem"),
    [
        (EXEMPLAR.replace(TRACE, "d" * 32), "was never sent"),
        (EXEMPLAR.replace(TRACE, UNSAMPLED), "is not sampled"),
        (EXEMPLAR.replace("2.25", "2.26"), "the exemplar's value is 2.26"),
        (EXEMPLAR.replace(ORDER, "e" * 16), "the exemplar's span is eeee"),
    ],
)
def test_a_wrong_exemplar_is_found(requests: dict[str, Request], records: Records, exemplar: str, problem: str) -> None:
    _, _, problems = examine({"orders-c": [page(exemplar)]}, requests, records)
    assert any(problem in p for p in problems), problems


def test_a_missing_exemplar_is_found(requests: dict[str, Request], records: Records) -> None:
    without = parse(PAGE.replace(" # %s", ""))
    _, _, problems = examine({"orders-c": [without]}, requests, records)
    assert problems == ["orders-c /orders (1, 2.5]: no exemplar, although 1 sampled requests fell into it"]


def test_a_wrong_count_is_found(requests: dict[str, Request], records: Records) -> None:
    _, _, problems = examine({"orders-c": [parse((PAGE % EXEMPLAR).replace("} 2 #", "} 3 #"))]}, requests, records)
    assert "orders-c /orders (1, 2.5]: counts 3 requests, the log has 2" in problems


def test_a_service_without_requests_is_found(requests: dict[str, Request], records: Records) -> None:
    assert "orders-c shows no request" in examine({"orders-c": []}, requests, records)[2]


def test_an_exemplar_in_the_wrong_bucket_is_found(requests: dict[str, Request], records: Records) -> None:
    bucket = Bucket("orders-c", "/orders", 2.5, 5.0, 1)
    problems = follow(bucket, Exemplar(TRACE, ORDER, 2.25, 1.0), requests, records)
    assert problems == [f"orders-c /orders (2.5, 5]: the request of trace {TRACE} (2.25 s, 200) belongs elsewhere"]


@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_span_is_found(requests: dict[str, Request], records: Records, lost: int) -> None:
    del records.spans[TRACE][lost]
    _, _, problems = examine({"orders-c": [page()]}, requests, records)
    assert len(problems) == 1 and "has no span of" in problems[0]


def test_a_broken_trace_is_found(requests: dict[str, Request], records: Records) -> None:
    records.spans[TRACE][1] = dataclasses.replace(records.spans[TRACE][1], parent=SENDER)
    _, _, problems = examine({"orders-c": [page()]}, requests, records)
    assert problems == [f"orders-c /orders (1, 2.5]: trace {TRACE} has no span of orders-c below {USER}"]


def test_what_the_services_did_is_checked(requests: dict[str, Request], records: Records) -> None:
    assert check_records(requests, {TRACE: 200, UNSAMPLED: 200}, records) == []
    assert "was answered with 502" in check_records(requests, {TRACE: 502}, records)[0]
    records.spans[UNSAMPLED] = records.spans[TRACE]
    assert "is not sampled, yet has spans" in check_records(requests, {UNSAMPLED: 200}, records)[0]
    del records.logs["orders-c"][TRACE]
    assert "has no log lines" in check_records(requests, {TRACE: 200}, records)[0]


def test_a_fast_request_that_should_be_slow_is_found(records: Records) -> None:
    slow = {TRACE: Request(TRACE, SENDER, True)}
    slow_line = records.logs["orders-c"][TRACE]
    records.logs["orders-c"][TRACE] = dataclasses.replace(slow_line, duration=0.01)
    assert not slow[TRACE].orders_are_slow
    trace = "0000000000000001" + f"{99:016x}"
    assert Request(trace, SENDER, True).orders_are_slow
    for lines in records.logs.values():
        lines[trace] = lines[TRACE]
    assert "should have been slow" in check_records({trace: Request(trace, SENDER, True)}, {trace: 502}, records)[-1]


@pytest.mark.parametrize(
    "text",
    [
        "a_total 1\n",
        "a_total  1\n# EOF\n",
        "a_total{x=1} 1\n# EOF\n",
        "a_total one\n# EOF\n",
        'a_total{x="1",x="2"} 1\n# EOF\n',
        'a_total 1 # {trace_id="1"} 1 1\n# EOF\n',
        "# nothing\n# EOF\n",
    ],
)
def test_a_malformed_exposition_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_label_values_are_unescaped() -> None:
    (sample,) = parse('a{x="q\\"b\\\\nn\\n"} 1e-05\n# EOF\n')
    assert (sample.labels, sample.value) == ({"x": 'q"b\\nn\n'}, 1e-05)


def test_empty_buckets_are_left_out() -> None:
    assert [bucket.upper for bucket in buckets_of("orders-c", page())] == [2.5]


def test_the_shares_are_exact() -> None:
    dealt = list(islice(deal(random.Random(7)), 600))
    assert sum(r.user_is_slow for r in dealt) == 30
    assert sum(r.orders_are_slow for r in dealt) == 60
    assert sum(r.orders_fail for r in dealt) == 6
    assert sum(r.sampled for r in dealt) == 300
    assert sum(r.sampled and r.orders_fail for r in dealt) == 3
    assert len({r.trace_id for r in dealt}) == 600
    assert all(len(r.traceparent) == 55 for r in dealt)


def test_the_slow_span_is_the_one_that_waits_for_nobody(records: Records) -> None:
    slow = slow_span(records.spans[TRACE])
    assert slow is not None and slow.service == "orders-c"
    assert slow_span([dataclasses.replace(slow, duration=0.1)]) is None


def test_what_was_started_ends_with_its_block(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Processes(tmp_path) as processes:
        started = [processes.start(f"sleep-{i}", ["sleep", "600"], subprocess.DEVNULL) for i in range(3)]
        raise RuntimeError
    assert all(process.poll() is not None for process in started)


def test_a_service_that_does_not_start_shows_why(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such luck')"]
    with Processes(tmp_path) as processes, pytest.raises(StartError, match="no such luck"):
        processes.start_service("orders-c", command, {})


def test_nothing_stays_behind_when_the_starter_is_killed(tmp_path: Path) -> None:
    if not Processes(tmp_path)._prefix:
        pytest.skip("setpriv is missing: install util-linux")
    script = "\n".join(
        [
            "import subprocess, sys, time",
            "from pathlib import Path",
            "from driver.processes import Processes",
            "p = Processes(Path(sys.argv[1])).start('sleep', ['sleep', '600'], subprocess.DEVNULL)",
            "print(p.pid, flush=True); time.sleep(600)",
        ]
    )
    here = Path(__file__).parent
    starter = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=here, stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    # The program must have become `sleep`, or the signal would arrive before it is asked for.
    for _ in range(600):
        if "sleep" in Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]:
            break
        time.sleep(0.1)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    for _ in range(600):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return
        except FileNotFoundError:
            return
        time.sleep(0.1)
    pytest.fail(f"process {pid} is still running")
