"""`spanpin serve`: what a scraper gets, and what hostile peers cannot do."""

import os
import signal
import socket
import subprocess
import time

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

ALL = ("first", "second", "third")


def paths(segments, names=ALL) -> list[str]:
    return [str(segments / f"{name}.spanpin") for name in names]


def samples(families) -> dict:
    return {(s.name, *sorted(s.labels.items())): s for family in families for s in family.samples}


def test_families_are_written_once_and_grouped(serve, segments):
    body = serve(*paths(segments)).get()
    families = list(parse_openmetrics(body))
    names = [family.name for family in families]
    assert names == ["job_seconds", "items", "level", "own", "spanpin_serve_segment_readable", "spanpin_serve_families_left_out"]
    found = samples(families)
    for name, n in [("first", 3), ("second", 4)]:
        label = ("segment", name)
        kind = ("kind", 'nightly "full" \\ back\nup')
        bucket = found[("job_seconds_bucket", kind, ("le", "5.0"), label)]
        assert bucket.exemplar.labels["trace_id"] == f"{n:016x}" * 2
        assert found[("items_total", label)].exemplar.labels["trace_id"] == f"{n + 100:016x}" * 2
        assert found[("level", label, ("side", "a"))].value == n
    for reason in ["shape", "clash", "label"]:
        counts = [found[("spanpin_serve_families_left_out", ("reason", reason), ("segment", name))].value for name in ALL]
        assert counts == [0, 0, 1], reason
    assert 'segment="third",kind' not in body


def test_text_004_has_the_same_samples(serve, segments):
    server = serve(*paths(segments))
    # prometheus_client's parsers differ in how they spell the names of counters' families, not of samples.
    one, other = samples(parse_openmetrics(server.get())), samples(parse_text(server.get("text/plain")))
    assert {key: sample.value for key, sample in one.items()} == {key: sample.value for key, sample in other.items()}


def test_a_segment_that_comes_and_goes(serve, segments):
    server = serve(*paths(segments, ("first",)), f"later={segments}/later.spanpin", "--label", "source")
    readable = "spanpin_serve_segment_readable"
    assert samples(parse_openmetrics(server.get()))[(readable, ("source", "later"))].value == 0
    server.get()
    assert server.log.read_text().count("no such file") == 1, "the same complaint is written once"
    (segments / "second.spanpin").rename(segments / "later.spanpin")
    found = samples(parse_openmetrics(server.get()))
    assert found[(readable, ("source", "later"))].value == 1
    assert found[("items_total", ("source", "later"))].value == 1
    (segments / "later.spanpin").write_bytes(os.urandom(8192))
    found = samples(parse_openmetrics(server.get()))
    assert found[(readable, ("source", "later"))].value == 0
    assert found[("items_total", ("source", "first"))].value == 1


def test_a_live_writer_under_two_scrapers(programs, serve, folder):
    """Counts never fall, an exemplar never comes before its count, and its time never goes back."""
    writer = subprocess.Popen([programs.segments, str(folder), "live"], stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        server = serve(str(folder / "live.spanpin"))
        last = {"one": (0.0, 0.0), "two": (0.0, 0.0)}
        seen = 0
        end = time.monotonic() + 26
        while time.monotonic() < end:
            for name, (count, stamp) in last.items():
                found = samples(parse_openmetrics(server.get(user_agent=name)))
                bucket = found[("n_bucket", ("le", "+Inf"), ("segment", "live"))]
                assert bucket.value >= count
                if bucket.exemplar:
                    seen += 1
                    assert bucket.exemplar.value <= bucket.value
                    assert float(bucket.exemplar.timestamp) >= stamp
                    stamp = float(bucket.exemplar.timestamp)
                last[name] = (bucket.value, stamp)
            time.sleep(0.25)
        assert seen > 10
    finally:
        writer.kill()
        writer.wait()
    # Killed: what it had counted, and its last exemplar, stay.
    for _ in range(150):
        found = samples(parse_openmetrics(server.get(user_agent="three")))
        if found[("n_bucket", ("le", "+Inf"), ("segment", "live"))].exemplar:
            break
        time.sleep(0.2)
    assert found[("n_bucket", ("le", "+Inf"), ("segment", "live"))].exemplar


def ask(port: int, data: bytes, wait: float = 30.0) -> bytes:
    """What a peer gets that sends this and waits for the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as peer:
        try:
            peer.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        got = b""
        try:
            while more := peer.recv(65536):
                got += more
        except ConnectionResetError:
            pass
        return got


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", b"405"),
        (b"DELETE / HTTP/1.1\r\n\r\n", b"405"),
        (b"GET /other HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /../../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
        (b"GET / HTTP/1.1\r\n\r\n", b"200"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),
        (b"GET /metrics\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/9.9\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\nA\x00: b\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"GET /metrics HTTP/1.1\r\nA: " + b"a" * 40_000 + b"\r\n\r\n", b"431"),
        (b"GET /metrics HTTP/1.1\r\n" + b"A: a\r\n" * 100 + b"\r\n", b"431"),
        (b"GET /metrics HTTP/1.1\r\nX-Prometheus-Scrape-Timeout-Seconds: -1e999\r\nAccept: \xff\xfe\r\n\r\n", b"200"),
        (b"GET /metrics HTTP/1.1\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n", b"200"),
    ],
)
def test_odd_requests_are_answered(serve, segments, data, status):
    server = serve(*paths(segments))
    got = ask(server.port, data)
    assert got.startswith(b"HTTP/1.1 " + status), got[:200]
    assert got.count(b"HTTP/1.1") == 1
    assert b"Connection: close" in got
    server.get()


def test_head_has_no_body(serve, segments):
    got = ask(serve(*paths(segments)).port, b"HEAD /metrics HTTP/1.1\r\nAccept: application/openmetrics-text\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200") and got.endswith(b"\r\n\r\n")


def test_many_slow_peers_keep_nobody_out_for_long(serve, segments):
    """More peers than there is room for say nothing, or a byte now and then; after the time of a head all is as before."""
    server = serve(*paths(segments))
    peers = []
    for number in range(200):
        peer = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        peers.append(peer)
        if number % 2:
            peer.send(b"GET /metrics HTTP/1.1\r\nA: ")
    threads = int(next(line for line in open(f"/proc/{server.process.pid}/status") if line.startswith("Threads:")).split()[1])
    assert threads <= 64 + 2
    answered = False
    for _ in range(300):
        for peer in peers[:64]:
            try:
                peer.send(b"a")
            except OSError:
                pass
        try:
            answered = "# EOF" in server.get()
            break
        except OSError:
            time.sleep(0.2)
    assert answered
    for peer in peers:
        peer.close()
    assert server.stop() == 0


def test_a_peer_that_takes_nothing_keeps_nobody_out(serve, segments):
    server = serve(*paths(segments))
    peers = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(6)]
    for peer in peers:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        peer.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
    assert "# EOF" in server.get()
    for peer in peers:
        peer.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_success(serve, segments, number):
    server = serve(*paths(segments))
    waiting = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    server.get()
    server.process.send_signal(number)
    assert server.process.wait(timeout=60) == 0
    waiting.close()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_a_port_in_use_is_told(programs, serve, segments):
    server = serve(*paths(segments))
    command = [programs.spanpin, "serve", *paths(segments), "--listen", f"127.0.0.1:{server.port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{server.port}" in done.stderr and "give another --listen" in done.stderr
