"""The runner counts what ran, and a suite that ran nothing or broke has failed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("run", Path(__file__).parent / "run.py")
assert SPEC and SPEC.loader
run = importlib.util.module_from_spec(SPEC)
sys.modules["run"] = run
SPEC.loader.exec_module(run)


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "LOGS", tmp_path)
    monkeypatch.setattr(run, "ROOT", tmp_path)


def suite(script: str, count: object = run.count_one, **more: object) -> run.Suite:
    return run.Suite("x", ["sh", "-c", script], count, **more)


def test_cargo_lines_are_summed() -> None:
    text = (
        "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured\n"
        "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured\n"
    )
    assert run.count_cargo(text) == run.Count(5, 1, 1)


def test_pytest_closing_line_is_read() -> None:
    assert run.count_pytest("x\n== 1 failed, 7 passed, 2 skipped, 1 error in 1.23s ==") == run.Count(7, 2, 2)
    assert run.count_pytest("7 passed in 0.1s") == run.Count(7, 0, 0)


def test_go_parts_are_not_counted() -> None:
    text = "\n".join(
        [
            '{"Action":"pass","Package":"p","Test":"TestA"}',
            '{"Action":"pass","Package":"p","Test":"TestA/part"}',
            '{"Action":"fail","Package":"p","Test":"TestB"}',
            '{"Action":"skip","Package":"p","Test":"TestC"}',
            '{"Action":"pass","Package":"p"}',
            "not json",
        ]
    )
    assert run.count_go(text) == run.Count(1, 1, 1)


def test_summary_lines_are_summed() -> None:
    assert run.count_summary("c: 2 passed, 1 failed, 3 skipped\nlink: 4 passed, 0 failed\n") == run.Count(6, 1, 3)


def test_suite_that_ran_nothing_has_failed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.run(suite("true", run.count_cargo)) == run.Count(0, 1, 0)
    assert "no test ran" in capsys.readouterr().out


def test_command_that_breaks_after_its_tests_has_failed() -> None:
    script = "echo 'test result: ok. 3 passed; 0 failed; 0 ignored'; exit 1"
    assert run.run(suite(script, run.count_cargo)) == run.Count(3, 1, 0)


def test_check_passes_or_fails_by_its_exit_code() -> None:
    assert run.run(suite("true")) == run.Count(1, 0, 0)
    assert run.run(suite("false")) == run.Count(0, 1, 0)


def test_missing_tool_is_named_and_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.run(suite("true", needs=("no-such-tool",))) == run.Count(0, 0, 1)
    assert "no-such-tool is missing: install" in capsys.readouterr().out


def test_suite_that_hangs_is_stopped() -> None:
    assert run.run(suite("sleep 60", minutes=0)) == run.Count(0, 1, 0)
