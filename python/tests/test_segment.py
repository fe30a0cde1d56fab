"""Registries that count in a file."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from spanpin import Counter, Registry, SegmentError, SpanpinError


@pytest.fixture
def directory() -> Iterator[Path]:
    with TemporaryDirectory(prefix="spanpin-", dir="/dev/shm") as name:
        yield Path(name)


def page(registry: Registry) -> str:
    return registry.scrape(accept="application/openmetrics-text")[1].decode()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert {record[:2] for record in caplog.record_tuples} <= {("spanpin", logging.WARNING)}
    return [record[2] for record in caplog.record_tuples]


class TestFile:
    def test_counts_go_on(self, directory: Path, caplog: pytest.LogCaptureFixture) -> None:
        path = directory / "a"
        for run in (1, 2, 3):
            registry = Registry(segment=path)
            assert registry.segment_path == str(path)
            Counter("jobs", "Help.", registry=registry).inc()
            assert f"jobs_total {run}\n" in page(registry)
            assert 'spanpin_segment_degraded{reason="damaged"} 0' in page(registry)
        assert warnings(caplog) == []

    def test_mode(self, directory: Path) -> None:
        for mode in (None, 0o640):
            path = directory / f"m{mode}"
            Registry(segment=str(path), segment_mode=mode)
            assert stat.S_IMODE(path.stat().st_mode) == (mode or 0o600)

    def test_a_mode_that_is_none(self, directory: Path) -> None:
        with pytest.raises(SpanpinError, match="segment mode 0755 is not allowed") as raised:
            Registry(segment=directory / "a", segment_mode=0o755)
        assert raised.value.code == "invalid_option"

    def test_a_path_that_is_none(self, directory: Path) -> None:
        with pytest.raises(SpanpinError, match="is not UTF-8; give the file another name"):
            Registry(segment=os.fsdecode(bytes(directory) + b"/\xff"))
        with pytest.raises(SpanpinError, match="is no path"):
            Registry(segment="/dev/shm/a\0b")

    def test_size(self, directory: Path) -> None:
        registry = Registry(segment=directory / "a", reserve_bytes=1 << 19)
        counter = Counter("jobs", "Help.", ["n"], max_series=100_000, registry=registry)
        for number in range(10_000):
            counter.labels(number).inc()
        assert (directory / "a").stat().st_size <= 1 << 19
        assert 'jobs_total{n="spanpin_overflow"}' in page(registry)


class TestTrouble:
    def test_a_damaged_file_is_said_once(
        self, directory: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = directory / "a"
        path.write_bytes(b"something else" * 100)
        path.chmod(0o600)
        registry = Registry(segment=path)
        assert registry.segment_path == f"{path}.1"
        for _ in range(2):
            assert 'spanpin_segment_degraded{reason="damaged"} 1' in page(registry)
        [line] = warnings(caplog)
        assert line.startswith(f'segment "{path}": it is no segment')
        assert f'counting in "{path}.1" instead; remove the file' in line

    def test_no_directory_leads_to_memory(
        self, directory: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        registry = Registry(segment=directory / "none" / "a")
        assert registry.segment_path is None
        [line] = warnings(caplog)
        assert "make the directory" in line

    def test_a_changed_shape_is_said_at_registration(
        self, directory: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = directory / "a"
        Counter("jobs", "Help.", ["old"], registry=Registry(segment=path))
        registry = Registry(segment=path)
        assert warnings(caplog) == []
        Counter("jobs", "Help.", ["new"], registry=registry)
        [line] = warnings(caplog)
        assert "jobs" in line
        assert "counting it anew beside the old one" in line

    def test_strict_raises(self, directory: Path, caplog: pytest.LogCaptureFixture) -> None:
        path = directory / "a"
        Counter("jobs", "Help.", ["old"], registry=Registry(segment=path))
        registry = Registry(segment=path, strict=True)
        with pytest.raises(SpanpinError) as raised:
            Counter("jobs", "Help.", ["new"], registry=registry)
        assert raised.value.code == "shape_mismatch"
        damaged = directory / "b"
        damaged.write_bytes(b"something else" * 100)
        damaged.chmod(0o600)
        expected = f'segment "{damaged}": .*; remove the file'
        with pytest.raises(SegmentError, match=expected) as fault:
            Registry(segment=damaged, strict=True)
        assert fault.value.code == "segment_unusable"
        assert isinstance(fault.value, SpanpinError)
        assert "SPANPIN_SEGMENT" in str(fault.value)
        assert warnings(caplog) == []

    def test_a_log_that_scrapes_and_fails_is_survived(self, directory: Path) -> None:
        seen = []

        class Scraping(logging.Handler):
            def handle(self, record: logging.LogRecord) -> bool:
                seen.append(record.getMessage())
                page(registry)
                raise RuntimeError("the disk is full")

        path = directory / "a"
        Counter("jobs", "Help.", ["old"], registry=Registry(segment=path))
        registry = Registry(segment=path)
        logger, handler = logging.getLogger("spanpin"), Scraping()
        logger.addHandler(handler)
        try:
            Counter("jobs", "Help.", ["new"], registry=registry).labels("x").inc()
        finally:
            logger.removeHandler(handler)
        assert len(seen) == 1
        assert 'jobs_total{new="x"} 1' in page(registry)


class TestVariables:
    def test_path_mode_and_size(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = directory / "a"
        monkeypatch.setenv("SPANPIN_SEGMENT", str(path))
        monkeypatch.setenv("SPANPIN_SEGMENT_MODE", "0640")
        monkeypatch.setenv("SPANPIN_SEGMENT_BYTES", "262144")
        registry = Registry()
        assert registry.segment_path == str(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        counter = Counter("jobs", "Help.", ["n"], registry=registry)
        for number in range(2_000):
            counter.labels(number).inc()
        assert path.stat().st_size == 262144

    def test_arguments_win(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SPANPIN_SEGMENT", str(directory / "a"))
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(directory))
        assert Registry(segment=directory / "b").segment_path == str(directory / "b")
        assert Registry(segment="").segment_path is None
        assert [file.name for file in directory.iterdir()] == ["b"]

    @pytest.mark.parametrize("slash", ["", "/"])
    def test_the_directory_of_prometheus_client(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch, slash: str
    ) -> None:
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", f"{directory}{slash}")
        assert Registry().segment_path == f"{directory}/metrics.spanpin"
        monkeypatch.setenv("SPANPIN_SEGMENT", str(directory / "a"))
        assert Registry().segment_path == str(directory / "a")
        monkeypatch.setenv("SPANPIN_SEGMENT", "")
        assert Registry().segment_path == f"{directory}/metrics.spanpin"
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
        assert Registry().segment_path is None

    @pytest.mark.parametrize("name", ["SPANPIN_SEGMENT", "PROMETHEUS_MULTIPROC_DIR"])
    def test_a_path_that_is_not_utf8_is_passed_over(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        monkeypatch.setenv(name, os.fsdecode(b"/dev/shm/caf\xe9"))
        assert Registry().segment_path is None
        [line] = warnings(caplog)
        assert line.startswith(f'environment variable {name} is "/dev/shm/caf\ufffd')
        assert line.endswith("it must be UTF-8, which it is not")

    def test_a_bad_mode_is_passed_over(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = directory / "a"
        monkeypatch.setenv("SPANPIN_SEGMENT", str(path))
        monkeypatch.setenv("SPANPIN_SEGMENT_MODE", "0777")
        assert Registry().segment_path == str(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        [line] = warnings(caplog)
        assert line.startswith("environment variable SPANPIN_SEGMENT_MODE: segment mode 0777")
