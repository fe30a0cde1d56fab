"""Memory, types, examples, and what is installed."""

from __future__ import annotations

import doctest
import importlib.metadata
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import spanpin
import spanpin._native
import spanpin.asgi
import spanpin.http_server
import spanpin.wsgi
from spanpin import Histogram, Registry

PACKAGE = Path(spanpin.__file__).parent
ROOT = Path(__file__).resolve().parents[2]


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_recording_keeps_no_memory() -> None:
    registry = Registry()
    histogram = Histogram("h", "Help.", ["a", "b"], registry=registry)
    trace = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"

    def work(rounds: int) -> None:
        for number in range(rounds):
            histogram.labels("x", str(number % 100)).observe(number / rounds)
            histogram.labels(b="y", a=number % 100).observe(0.5, trace=trace, extra={"a": "b"})
            histogram.labels("x", "z").observe(0.5, exemplar={"trace_id": "ab" * 16})
            # Beyond the limit of series every value is a new one.
            histogram.labels("unbounded", str(number)).observe(0.5)
            registry.scrape() if number % 1000 == 0 else None

    work(10_000)
    before = resident_bytes()
    for _ in range(5):
        work(10_000)
    # The work would take some 20 MB if each call kept only its text.
    assert resident_bytes() - before < 1_000_000


def test_the_hit_path_allocates_no_python_memory() -> None:
    import tracemalloc

    histogram = Histogram("h", "Help.", ["a", "b"], registry=Registry())
    for _ in range(10):
        histogram.labels("x", "y").observe(0.5)
        histogram.labels(a="x", b="y").observe(0.5)
    tracemalloc.start()
    try:
        rounds = [None] * 1000
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in rounds:
            histogram.labels("x", "y").observe(0.5)
            histogram.labels(a="x", b="y").observe(0.5)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - before < 1000


def run(*command: str, cwd: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stubs_say_what_the_native_module_has(tmp_path: Path) -> None:
    run("mypy.stubtest", "spanpin", cwd=tmp_path)


def test_types_are_shipped_and_precise(tmp_path: Path) -> None:
    assert (PACKAGE / "py.typed").exists()
    program = tmp_path / "program.py"
    program.write_text(
        """
import spanpin
from opentelemetry.trace import get_current_span

h = spanpin.Histogram("h", "Help.", ["a"], buckets=spanpin.linear_buckets(1, 1, 3))
h.labels("x").observe(1, trace=get_current_span().get_span_context())
h.labels(a=1).observe(1, trace=spanpin.TraceContext(1, 2), extra={"a": "b"})
content_type, body = spanpin.scrape(accept="text/plain")
reveal_type(h.labels("x"))
reveal_type(body)
h.observe(1, trace=17)  # E: arg-type
h.labels("x").labels("y")  # E: attr-defined
spanpin.Counter("c", "Help.", filter="sometimes")  # E: arg-type
spanpin.Gauge("g", "Help.").observe(1)  # E: attr-defined
""".lstrip()
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", program.name],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    wanted = {
        (number, found.group(1))
        for number, line in enumerate(program.read_text().splitlines(), 1)
        if (found := re.search(r"# E: (\S+)$", line))
    }
    errors = re.findall(r"^program\.py:(\d+): error: .*\[(\S+)\]$", done.stdout, re.MULTILINE)
    assert {(int(number), code) for number, code in errors} == wanted, done.stdout + done.stderr
    assert '"spanpin._native.HistogramSeries"' in done.stdout
    assert 'Revealed type is "bytes"' in done.stdout or '"builtins.bytes"' in done.stdout


def examples_of(module: ModuleType) -> list[doctest.DocTest]:
    """The examples in the docstrings of a module, its classes and their methods."""
    parser = doctest.DocTestParser()
    documented: dict[str, Any] = {module.__name__: module}
    for name, member in vars(module).items():
        if getattr(member, "__module__", "").startswith("spanpin"):
            documented[name] = member
            if isinstance(member, type):
                documented |= {f"{name}.{key}": getattr(member, key) for key in vars(member)}
    found = []
    for name, member in documented.items():
        globs = dict(vars(spanpin))
        test = parser.get_doctest(getattr(member, "__doc__", None) or "", globs, name, None, 0)
        if test.examples:
            found.append(test)
    return found


EXAMPLES = [
    pytest.param(test, id=f"{module.__name__}:{test.name}")
    for module in (spanpin._native, spanpin, spanpin.http_server, spanpin.wsgi, spanpin.asgi)
    for test in examples_of(module)
]


@pytest.mark.parametrize("test", EXAMPLES)
def test_examples_in_docstrings(test: doctest.DocTest) -> None:
    assert doctest.DocTestRunner().run(test).failed == 0


def test_the_examples_were_found() -> None:
    names = {str(parameter.id) for parameter in EXAMPLES}
    assert "spanpin._native:Histogram" in names
    assert "spanpin._native:TraceContext.parse" in names
    assert "spanpin.http_server:start_http_server" in names


def blocks_of(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["docs/python.md", "python/README.md"])
def test_programs_in_the_documentation(page: str, tmp_path: Path) -> None:
    """Each page is one program: its blocks are run one after another."""
    blocks = blocks_of(page)
    assert blocks
    program = tmp_path / "program.py"
    program.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_public_is_documented() -> None:
    for name in spanpin.__all__:
        member = getattr(spanpin, name)
        assert name.isupper() or name == "__version__" or member.__doc__, name
        if isinstance(member, type):
            for key in vars(member):
                documented = getattr(member, key).__doc__
                assert key.startswith("_") or key == "code" or documented, f"{name}.{key}"


def test_the_version_is_that_of_the_package() -> None:
    assert spanpin.__version__ == importlib.metadata.version("spanpin")
    assert importlib.metadata.requires("spanpin") is None


def test_a_forked_child_goes_on_recording() -> None:
    histogram = Histogram("h", "Help.", ["a"], registry=Registry())
    histogram.labels("x").observe(1)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            histogram.labels("x").observe(1)
            histogram.labels("new").observe(1)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
