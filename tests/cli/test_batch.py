"""Jobs record into segments and end; a real Prometheus scrapes them afterwards and finds their traces."""

import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))

from prometheus_server import Prometheus  # noqa: E402

TRACES = {"c": "0af7651916cd43dd8448eb211c80319c", "rust": "1bf7651916cd43dd8448eb211c80319d", "python": "2cf7651916cd43dd8448eb211c80319e"}


def documented() -> list[str]:
    """The lines that the README has a reader type, but for the first, which is about the place of the tools."""
    text = (ROOT / "examples/batch/README.md").read_text().split("```")[0]
    first, *lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    assert first.startswith("export PKG_CONFIG_PATH=../../build/c/lib/pkgconfig PATH=")
    return lines


def jobs(programs, folder: pathlib.Path, segments: pathlib.Path) -> dict[str, str]:
    """A line for each job, as a reader would type it in a copy of the folder, where the tools are at hand."""
    for name in ("job.c", "job.py"):
        shutil.copy(ROOT / "examples/batch" / name, folder)
    build, c, python, serve = documented()
    subprocess.run(["sh", "-ec", build], cwd=folder, env=environment(), check=True)
    assert serve.startswith("spanpin serve ")
    own = {name: segments / f"{name}.spanpin" for name in TRACES}
    return {
        "c": c.replace("/dev/shm/nightly.spanpin", str(own["c"])),
        "python": python.replace("/dev/shm/import.spanpin", str(own["python"])),
        "rust": f"{programs.batch_job} {own['rust']}",
    }


def environment(**more: str) -> dict[str, str]:
    path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PKG_CONFIG_PATH": str(ROOT / "build/c/lib/pkgconfig"), **more}


def prometheus_binary() -> str:
    done = subprocess.run(["sh", str(ROOT / "tools/prometheus-debian.sh")], capture_output=True, text=True, check=True)
    return str(pathlib.Path(done.stdout.strip()) / "prometheus")


def test_a_finished_jobs_trace_is_in_prometheus(programs, serve, folder, tmp_path):
    started = time.time()
    commands = jobs(programs, tmp_path, folder)
    for name, command in commands.items():
        parent = f"00-{TRACES[name]}-b7ad6b7169203331-01"
        ended = subprocess.run(
            ["sh", "-ec", command], cwd=tmp_path, env=environment(TRACEPARENT=parent), capture_output=True, check=True, timeout=60
        )
        assert ended.stderr == b""
    server = serve(*(str(folder / f"{name}.spanpin") for name in commands))
    target = {"targets": [f"127.0.0.1:{server.port}"]}
    prometheus = Prometheus(prometheus_binary(), tmp_path, "batch", [{"job_name": "batch", "static_configs": [target]}])
    prometheus.start()
    try:
        found: dict = {}
        # A window is over after 12 s; a loaded machine may take longer for all else.
        for _ in range(450):
            exemplars = prometheus.exemplars("batch_run_seconds_bucket", started - 60)
            found = {exemplar.series["segment"]: exemplar for exemplar in exemplars}
            if found.keys() == commands.keys():
                break
            time.sleep(0.2)
        assert {name: exemplar.labels["trace_id"] for name, exemplar in found.items()} == {name: TRACES[name] for name in commands}
        for name, exemplar in found.items():
            assert exemplar.series["job"] == "batch" and exemplar.series["exported_job"] == name
            assert started - 1 <= exemplar.timestamp <= time.time()
        counts = prometheus.query("batch_items_total")
        assert {series["metric"]["segment"]: series["value"][1] for series in counts} == {name: "142" for name in commands}
        # The exemplars stay, and Prometheus refuses none of them.
        time.sleep(3)
        assert prometheus.scrape_errors() == []
        assert prometheus.own_metric("prometheus_target_scrapes_exemplar_out_of_order_total") == 0
    finally:
        prometheus.stop()


@pytest.mark.parametrize("name", TRACES)
def test_a_file_that_cannot_be_used_is_said(programs, folder, tmp_path, name):
    """The counts would be lost in silence otherwise."""
    command = jobs(programs, tmp_path, folder / "none")[name]
    ended = subprocess.run(["sh", "-ec", command], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True, timeout=60)
    assert f"{folder}/none/{name}.spanpin" in ended.stderr and "make the directory" in ended.stderr


def test_the_second_run_goes_on_where_the_first_ended(programs, folder):
    segment = folder / "jobs.spanpin"
    for _ in range(2):
        subprocess.run([programs.batch_job, str(segment)], check=True, timeout=60)
    body = subprocess.run([programs.spanpin, "dump", str(segment)], capture_output=True, text=True, check=True, timeout=60).stdout
    assert 'batch_items_total{job="rust"} 284\n' in body
    assert 'batch_run_seconds_count{job="rust"} 2\n' in body
