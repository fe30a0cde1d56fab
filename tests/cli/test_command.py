"""`spanpin inspect` and `spanpin dump`."""

import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text


def run(programs, *arguments, **more) -> subprocess.CompletedProcess:
    return subprocess.run([programs.spanpin, *map(str, arguments)], capture_output=True, text=True, timeout=120, **more)


def samples(families) -> dict:
    return {(s.name, *sorted(s.labels.items())): s for family in families for s in family.samples}


def test_inspect_tells_the_same_as_text_and_as_json(programs, segments):
    told = json.loads(run(programs, "inspect", "--json", segments / "first.spanpin").stdout)
    assert told["at_rest"] is True
    assert told["free_bytes"] + told["used_bytes"] == told["reserved_bytes"] == 256 << 20
    families = {family["name"]: family for family in told["families"]}
    jobs = families["job_seconds"]
    assert (jobs["kind"], jobs["series"], jobs["total"], jobs["rings"], jobs["exemplars"]) == ("histogram", 2, 2.0, 1, 1)
    assert (jobs["labels"], jobs["bounds"], jobs["unit"]) == (["kind"], [1.0, 5.0], "seconds")
    assert (families["items"]["kind"], families["items"]["total"]) == ("counter", 1.0)
    assert families["level"]["total"] is None
    assert told["workers"]["slots"] == 256
    assert [(worker["slot"], worker["alive"]) for worker in told["workers"]["ever"]] == [(0, False)]
    text = run(programs, "inspect", segments / "first.spanpin").stdout
    for part in ["histogram job_seconds{kind}", "series   2", "rings    1 of 11 slots, 1 exemplars", f"{told['free_bytes']} free"]:
        assert part in text


def test_workers_live_until_they_are_killed(programs, folder):
    path = folder / "live.spanpin"
    writer = subprocess.Popen([programs.segments, str(folder), "live"], stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
        told = json.loads(run(programs, "inspect", "--json", path).stdout)
        [worker] = told["workers"]["ever"]
        assert (worker["slot"], worker["pid"], worker["alive"], told["at_rest"]) == (0, writer.pid, True, False)
        assert abs(worker["since_ms"] / 1000 - time.time()) < 600
        text = run(programs, "inspect", path).stdout
        assert f"workers    1 alive, 0 dead, of 256\n  slot 0    pid {writer.pid}, since " in text and "; in use" in text
        assert samples(parse_openmetrics(run(programs, "dump", path).stdout))[("busy",)].value == 1
    finally:
        writer.kill()
        writer.wait()
    told = json.loads(run(programs, "inspect", "--json", path).stdout)
    assert ([worker["alive"] for worker in told["workers"]["ever"]], told["at_rest"]) == ([False], True)
    assert "workers    0 alive, 1 dead, of 256\n" in run(programs, "inspect", path).stdout
    found = samples(parse_openmetrics(run(programs, "dump", path).stdout))
    assert found[("busy",)].value == 0
    assert found[("n_count",)].value > 0


def test_dump_is_openmetrics_with_exemplars(programs, segments):
    body = run(programs, "dump", segments / "first.spanpin").stdout
    found = samples(parse_openmetrics(body))
    exemplar = found[("items_total",)].exemplar
    assert exemplar.labels["trace_id"] == f"{103:016x}" * 2
    assert found[("level", ("side", "a"))].value == 3
    named = run(programs, "dump", f"x={segments}/first.spanpin").stdout
    assert samples(parse_openmetrics(named))[("items_total", ("segment", "x"))].exemplar == exemplar


def test_a_textfile_is_whole_and_says_what_it_lacks(programs, segments, tmp_path):
    (tmp_path / "first.prom").write_text("old")
    done = run(programs, "dump", segments / "first.spanpin", "--textfile", tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "no exemplars" in done.stderr
    assert os.listdir(tmp_path) == ["first.prom"]
    body = (tmp_path / "first.prom").read_text()
    found = samples(parse_text(body))
    assert (found[("items_total",)].value, found[("job_seconds_count",)].value) == (1, 1)
    assert "trace_id" not in body and "# EOF" not in body
    assert (tmp_path / "first.prom").stat().st_mode & 0o777 == 0o644
    refused = run(programs, "dump", segments / "first.spanpin", "--textfile", tmp_path / "none")
    assert refused.returncode == 1 and "give a folder" in refused.stderr


@pytest.mark.parametrize("command", ["inspect", "dump"])
def test_what_is_no_segment_is_told(programs, segments, command):
    cut = segments / "cut"
    cut.write_bytes((segments / "first.spanpin").read_bytes()[:3000])
    for path, expected in [(segments / "none", "no such file"), (segments, "no regular file"), (cut, "shorter than its header says")]:
        done = run(programs, command, path)
        assert (done.returncode, done.stdout) == (1, "")
        assert expected in done.stderr and str(path) in done.stderr
    too_long = run(programs, command, segments / "first.spanpin", "--max-bytes", "1000")
    assert too_long.returncode == 1 and "raise the limit" in too_long.stderr
    assert run(programs, command).returncode == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_the_right_to_read_is_enough(programs, segments):
    segments.chmod(0o755)
    spanpin = shutil.copy(programs.spanpin, segments / "spanpin")
    pathlib.Path(spanpin).chmod(0o755)
    before = (segments / "first.spanpin").read_bytes()
    command = [spanpin, "dump", str(segments / "first.spanpin")]
    done = subprocess.run(command, capture_output=True, text=True, user=65534, group=65534, extra_groups=[], timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert samples(parse_openmetrics(done.stdout))[("items_total",)].value == 1
    assert (segments / "first.spanpin").read_bytes() == before
    (segments / "first.spanpin").chmod(0o600)
    done = subprocess.run(command, capture_output=True, text=True, user=65534, group=65534, extra_groups=[], timeout=60)
    assert done.returncode == 1 and "permission denied" in done.stderr and "0640" in done.stderr
