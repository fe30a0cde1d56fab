#!/usr/bin/env python3
"""Compiles and runs the C programs of this folder, of tests/link and of examples/c.

Builds the libraries first: `cargo xtask archives` (build/c, and build/c-<target> for other targets that are installed)
and `cargo xtask archive --dev` (build/c-dev). A program that cannot run for want of a tool is named and counted as
skipped.
"""

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
EXAMPLES = ROOT / "examples" / "c"
SHIPPED = ROOT / "build" / "c"
CHECKED = ROOT / "build" / "c-dev"
CC = os.environ.get("CC", "cc")
CARGO = os.environ.get("CARGO", "cargo")
CXX = os.environ.get("CXX", "c++")
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wpedantic"]
C11 = [CC, "-std=c11", *WARNINGS]
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
TIMEOUT = 300
VALGRIND = [
    "valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect",
    "--fair-sched=yes",
]


class Skip(Exception):
    """A test that cannot run here; the text names what is missing."""


def run(command, **options):
    """Runs a command that must succeed, and returns what it printed."""
    result = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=TIMEOUT, **options
    )
    if result.returncode != 0:
        raise AssertionError(
            f"{' '.join(str(part) for part in command)}\nexit code {result.returncode}\n{result.stdout}{result.stderr}"
        )
    return result.stdout


def compiled(folder, name, sources, library, flags=(), compiler=None):
    """Compiles and links a program with the static library."""
    program = folder / name
    archive = library / "lib" / "libspanpin.a"
    command = [*(compiler or C11), "-g", "-O1", "-I", library / "include", "-I", HERE, *flags, *sources, archive]
    run([*command, "-pthread", "-lm", "-o", program])
    return program


def need(tool):
    if shutil.which(tool) is None:
        raise Skip(f"{tool} is not installed")


# Variables that registries take defaults from; none of them may come in from outside.
VARIABLES = [
    "OTEL_METRICS_EXEMPLAR_FILTER",
    *(f"SPANPIN_EXEMPLAR_{name}" for name in
      ("POLICY", "MINIMUM_VALUE", "PROBABILITY", "ADAPTIVE", "SLOTS", "MAX_AGE", "BYTES", "KEEP_NAMES")),
    *(f"SPANPIN_{name}" for name in
      ("TRACE_ID_LABEL", "SPAN_ID_LABEL", "TRACE_URL", "MARK_SPANS", "SCRAPER_IDENTITY", "SEGMENT", "SEGMENT_MODE",
       "SEGMENT_BYTES")),
]

# Programs of this folder, each with the files it is made of.
PROGRAMS = {
    "errors": ["errors.c"],
    "null": ["null.c"],
    "scrape": ["scrape.c"],
    "segment": ["segment.c"],
    "rules": ["rules.c"],
    "hooks": ["hooks.c"],
    "churn": ["churn.c"],
    "history": ["history.c"],
    "ids": ["ids.c"],
    "threads": ["threads.c"],
    "leak": ["leak.c"],
    "header_twice": ["header_twice_a.c", "header_twice_b.c"],
}


def plain(name):
    def test(folder):
        run([compiled(folder, name, [HERE / source for source in PROGRAMS[name]], SHIPPED)])

    return test


def with_address_sanitizer(name):
    def test(folder):
        flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
        sources = [HERE / source for source in PROGRAMS[name]]
        program = compiled(folder, f"{name}-asan", sources, CHECKED, flags)
        # A sanitizer that was not linked in finds nothing.
        if "__asan_init" not in run(["nm", program]):
            raise AssertionError("the program has no AddressSanitizer symbols")
        # Rust code is not instrumented, but its memory comes from malloc, which the sanitizer replaces.
        run([program], env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0"})

    return test


def with_valgrind(name):
    def test(folder):
        need("valgrind")
        program = compiled(folder, f"{name}-valgrind", [HERE / source for source in PROGRAMS[name]], CHECKED)
        run([*VALGRIND, program])

    return test


def history_as_json(folder):
    """A real JSON reader finds in the document what the lists hold."""
    printed = run([compiled(folder, "history", [HERE / "history.c"], SHIPPED), "json"])
    document, *lines = printed.split("\n")[:-1]
    answer = json.loads(document)
    assert set(answer) == {"status", "data"} and answer["status"] == "success", answer
    wanted, found = {}, {}

    def text(digits):
        return bytes.fromhex(digits).decode()

    for name, route, bound, value, stamp, *labels in (line.split("\t") for line in lines):
        pairs = zip(map(text, labels[::2]), map(text, labels[1::2]))
        wanted.setdefault((name, text(route), str(float(bound))), []).append((int(stamp), float(value), list(pairs)))
    for sample in answer["data"]:
        labels = sample["seriesLabels"]
        assert "empty" not in labels, labels
        bound = str(float(labels.get("le", "nan")))  # NaN does not equal itself.
        exemplars = []
        for exemplar in sample["exemplars"]:
            assert set(exemplar) == {"labels", "value", "timestamp"} and isinstance(exemplar["value"], str), exemplar
            pairs = [pair for pair in exemplar["labels"].items() if pair[0] not in ("trace_id", "span_id")]
            has_ids = "trace_id" in exemplar["labels"]
            assert has_ids == ("le" in labels), exemplar  # The counters' are explicit ones without a span.
            assert not has_ids or exemplar["labels"]["trace_id"].startswith("07000000"), exemplar
            exemplars.append((round(exemplar["timestamp"] * 1000), float(exemplar["value"]), pairs))
        found[labels["__name__"], labels.get("route", ""), bound] = exemplars[::-1]
    assert len(found) == len(wanted) > 6 and found == wanted, (found, wanted)


# What environment.c says of each variable: (variables, lines that must be there).
USUAL = ["check 0 ", "filter 1", "policy 1", "offer_from -inf", "draws 0", "marks 0", "segment ", "held 11", "trace_url ",
         "sees all of its own", 'memory spanpin_exemplars_dropped_total{reason="memory"} 0']
IDS = f'trace_id="{TRACE}",span_id="{SPAN}"'
GOOD = [
    ({}, [*USUAL, f"explicit {IDS}", f"a minute later {IDS}"]),
    ({"OTEL_METRICS_EXEMPLAR_FILTER": "always_on"}, ["filter 2"]),
    ({"OTEL_METRICS_EXEMPLAR_FILTER": "always_off"}, ["filter 3", "offer_from nan", "held 0"]),
    ({"SPANPIN_EXEMPLAR_POLICY": " first "}, ["policy 3"]),
    ({"SPANPIN_EXEMPLAR_MINIMUM_VALUE": "7.5"}, ["offer_from 7.5"]),
    ({"SPANPIN_EXEMPLAR_PROBABILITY": "0.5"}, ["draws 1"]),
    ({"SPANPIN_EXEMPLAR_ADAPTIVE": "true"}, ["draws 1"]),
    ({"SPANPIN_EXEMPLAR_SLOTS": "5"}, ["held 5"]),
    ({"SPANPIN_EXEMPLAR_MAX_AGE": "59"}, [f"explicit {IDS}", "a minute later"]),
    ({"SPANPIN_EXEMPLAR_BYTES": "1"}, ["held 0", "explicit", 'memory spanpin_exemplars_dropped_total{reason="memory"} 59']),
    ({"SPANPIN_EXEMPLAR_KEEP_NAMES": "1"}, [f'explicit span_id="{SPAN}",TraceId="{TRACE}"']),
    ({"SPANPIN_TRACE_ID_LABEL": "traceID", "SPANPIN_SPAN_ID_LABEL": "sid"}, [f'explicit traceID="{TRACE}",sid="{SPAN}"']),
    ({"SPANPIN_TRACE_URL": "http://t/{trace_id}"}, ["trace_url http://t/07000000000000000000000000000005"]),
    ({"SPANPIN_MARK_SPANS": "true"}, ["marks 1"]),
    ({"SPANPIN_SCRAPER_IDENTITY": "given"}, ["sees the rest"]),
    ({"SPANPIN_SCRAPER_IDENTITY": "none"}, ["sees the rest"]),
    ({name: "" for name in VARIABLES}, USUAL),
    ({"SPANPIN_EXEMPLAR_SOMETHING": "x"}, USUAL),
]
# A value that is not allowed: what the check says of it. Nothing else may change.
BAD = [
    ("OTEL_METRICS_EXEMPLAR_FILTER", "on", "trace_based, always_on or always_off"),
    ("SPANPIN_EXEMPLAR_POLICY", "best", "slowest, uniform or first"),
    ("SPANPIN_EXEMPLAR_MINIMUM_VALUE", "1e3", "decimal number"),
    ("SPANPIN_EXEMPLAR_PROBABILITY", "1.5", "0 to 1"),
    ("SPANPIN_EXEMPLAR_ADAPTIVE", "yes", "true or false"),
    ("SPANPIN_EXEMPLAR_SLOTS", "3", "4 to 19"),
    ("SPANPIN_EXEMPLAR_SLOTS", "4294967296", "a whole number"),
    ("SPANPIN_EXEMPLAR_MAX_AGE", "0", "1 to 86400"),
    ("SPANPIN_EXEMPLAR_BYTES", "64MB", "bytes"),
    ("SPANPIN_EXEMPLAR_KEEP_NAMES", "on", "true or false"),
    ("SPANPIN_TRACE_ID_LABEL", "trace-id", "must match"),
    ("SPANPIN_TRACE_ID_LABEL", "x" * 200, "at most"),
    ("SPANPIN_SPAN_ID_LABEL", "trace_id", "different"),
    ("SPANPIN_TRACE_URL", "http://t/", "{trace_id}"),
    ("SPANPIN_MARK_SPANS", "2", "true or false"),
    ("SPANPIN_SCRAPER_IDENTITY", "ip", "address, given or none"),
    ("SPANPIN_SEGMENT_MODE", "-rw", "an octal number"),
    ("SPANPIN_SEGMENT_MODE", "0777", "nobody execute"),
    ("SPANPIN_SEGMENT_BYTES", "1M", "bytes"),
]
# Any text names a file.
ALWAYS_ALLOWED = {"SPANPIN_SEGMENT"}


def answers(program, variables, *arguments):
    """What environment.c says, by line; of a page's line the labels of its exemplar."""
    lines = run([program, *arguments], env={**os.environb, **{os.fsencode(name): os.fsencode(value) for name, value in variables.items()}}).split("\n")[:-1]
    return [line.split('h_bucket{le="10.0"}')[0] + line.partition("# {")[2].partition("}")[0] for line in map(str.rstrip, lines)]


def check_answers(got, wanted, variables):
    missing = [line for line in map(str.rstrip, wanted) if line not in [one.rstrip() for one in got]]
    assert not missing, f"{variables}: {missing} not in {got}"


def environment(folder):
    program = compiled(folder, "environment", [HERE / "environment.c"], SHIPPED)
    seen = set()
    for variables, wanted in GOOD:
        seen.update(variables)
        check_answers(answers(program, variables), ["check 0", *wanted], variables)
    for name, value, allowed in BAD:
        got = answers(program, {name: value})
        check, *rest = got
        assert check.startswith(f"check 16 environment variable {name}") and allowed in check, check
        check_answers(rest, USUAL[1:], {name: value})
    # The first one that is wrong is named; the good ones count.
    got = answers(program, {"SPANPIN_EXEMPLAR_SLOTS": "99", "SPANPIN_EXEMPLAR_POLICY": "x", "SPANPIN_MARK_SPANS": "1"})
    assert "SPANPIN_EXEMPLAR_POLICY" in got[0], got
    check_answers(got, ["policy 1", "held 11", "marks 1"], "three variables")
    # What is no text is told like any other bad value, and the rest holds.
    got = answers(program, {"SPANPIN_SEGMENT": b"/tmp/caf\xe9", "SPANPIN_EXEMPLAR_SLOTS": "5"})
    assert got[0] == 'check 16 environment variable SPANPIN_SEGMENT is "/tmp/caf\ufffd": it must be UTF-8, which it is not', got
    check_answers(got, ["segment ", "held 5"], "no UTF-8")
    segment = folder / "environment.spanpin"
    got = answers(program, {"SPANPIN_SEGMENT": str(segment), "SPANPIN_SEGMENT_MODE": "0640", "SPANPIN_SEGMENT_BYTES": "262144"})
    check_answers(got, ["check 0", f"segment {segment}", "held 11"], "a segment")
    assert (segment.stat().st_mode & 0o777, segment.stat().st_size) == (0o640, 262144), segment.stat()
    assert seen >= set(VARIABLES), set(VARIABLES) - seen
    assert set(VARIABLES) - ALWAYS_ALLOWED == {name for name, _, _ in BAD}


def explicit_options_win(folder):
    """What a program says counts more than what the environment says."""
    program = compiled(folder, "environment", [HERE / "environment.c"], SHIPPED)
    variables = {
        "OTEL_METRICS_EXEMPLAR_FILTER": "always_off",
        "SPANPIN_EXEMPLAR_POLICY": "uniform",
        "SPANPIN_EXEMPLAR_SLOTS": "4",
        "SPANPIN_EXEMPLAR_MINIMUM_VALUE": "1000",
        "SPANPIN_TRACE_ID_LABEL": "traceID",
        "SPANPIN_SPAN_ID_LABEL": "sid",
        "SPANPIN_SCRAPER_IDENTITY": "none",
        "SPANPIN_EXEMPLAR_KEEP_NAMES": "true",
    }
    wanted = ["filter 1", "policy 1", "offer_from 0.25", "held 19", f'explicit said="{TRACE}",sid="{SPAN}"', "sees all of its own"]
    check_answers(answers(program, variables, "explicit"), wanted, variables)


def documented_variables(folder):
    """The header's documentation and the core have the same variables."""
    source = (ROOT / "rust-core" / "src" / "variables.rs").read_text()
    known = source.split("VARIABLES: ")[1].split("];")[0].split('"')[1::2]
    assert known == VARIABLES, known
    table = (ROOT / "docs" / "c-abi.md").read_text()
    missing = [name for name in known if f"| `{name}` |" not in table]
    assert not missing, f"docs/c-abi.md does not explain {missing}"


def sanitizer_finds_a_fault(folder):
    """The control: a heap overflow must be found, or the runs above prove nothing."""
    source = folder / "fault.c"
    source.write_text("#include <stdlib.h>\nint main(int c, char **v) { (void)v; volatile char *p = malloc(1); p[c] = 1; return 0; }\n")
    program = compiled(folder, "fault", [source], CHECKED, ["-fsanitize=address"])
    result = subprocess.run([program], capture_output=True, text=True, timeout=TIMEOUT)
    assert result.returncode != 0 and "heap-buffer-overflow" in result.stderr, result.stderr


def a_leak_is_found(folder):
    """The control for leaks: pages that are not released must be reported, by both tools."""
    source = folder / "leaky.c"
    source.write_text(
        "#include <spanpin.h>\n"
        "static void leak(void) { spanpin_scrape_result page; spanpin_scrape(spanpin_registry_default(), NULL, &page, NULL); }\n"
        "int main(void) { for (int i = 0; i < 9; i++) leak(); return 0; }\n"
    )
    program = compiled(folder, "leaky-asan", [source], CHECKED, ["-fsanitize=address"])
    result = subprocess.run([program], capture_output=True, text=True, timeout=TIMEOUT)
    assert result.returncode != 0 and "LeakSanitizer" in result.stderr, result.stderr
    need("valgrind")
    program = compiled(folder, "leaky", [source], CHECKED)
    result = subprocess.run([*VALGRIND, program], capture_output=True, text=True, timeout=TIMEOUT)
    assert result.returncode == 99, result.stderr


def header_alone_in_c(folder):
    for header in ("spanpin.h", "spanpin_layout.h"):
        source = folder / "alone.c"
        source.write_text(f"#include <{header}>\nint unused;\n")
        for standard in ("c11", "c17"):
            run([CC, f"-std={standard}", *WARNINGS, "-I", SHIPPED / "include", "-c", source, "-o", folder / "alone.o"])


def header_alone_in_cxx(folder):
    for header in ("spanpin.h", "spanpin_layout.h"):
        source = folder / "alone.cc"
        source.write_text(f"#include <{header}>\nint unused;\n")
        run([CXX, "-std=c++17", *WARNINGS, "-I", SHIPPED / "include", "-c", source, "-o", folder / "alone.o"])


def cxx_program(folder):
    program = compiled(folder, "cxx", [HERE / "cxx.cc"], SHIPPED, compiler=[CXX, "-std=c++17", *WARNINGS])
    run([program])


def shared_library_by_pkg_config(folder):
    need("pkg-config")
    moved = folder / "moved"
    shutil.copytree(SHIPPED, moved, symlinks=True)
    environment = {**os.environ, "PKG_CONFIG_PATH": str(moved / "lib" / "pkgconfig")}
    flags = run(["pkg-config", "--cflags", "--libs", "spanpin"], env=environment).split()
    program = folder / "shared"
    run([*C11, "-I", HERE, HERE / "scrape.c", *flags, "-lm", "-o", program])
    needed = run(["readelf", "-d", program])
    assert "libspanpin.so.0" in needed, needed
    run([program], env={**os.environ, "LD_LIBRARY_PATH": str(moved / "lib")})


def cmake_package(folder):
    need("cmake")
    for kind in ("static", "shared"):
        project = folder / f"cmake-{kind}"
        project.mkdir()
        (project / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.13)\nproject(first C)\nfind_package(spanpin 0.1 REQUIRED)\n"
            f"add_executable(first {EXAMPLES / 'first.c'})\ntarget_link_libraries(first spanpin::{kind})\n"
        )
        run(["cmake", "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={SHIPPED}"])
        run(["cmake", "--build", project / "build"])
        assert TRACE in run([project / "build" / "first"])


def first_program(folder):
    source = EXAMPLES / "first.c"
    assert source.read_text() in (ROOT / "docs" / "c-abi.md").read_text(), "docs/c-abi.md shows another first program"
    page = run([compiled(folder, "first", [source], SHIPPED)])
    line = f'request_duration_seconds_bucket{{le="0.25"}} 1 # {{trace_id="{TRACE}",span_id="{SPAN}"}} 0.21 '
    assert line in page, page


def other_target(target):
    """The folder of a cross-built archive."""
    folder = ROOT / "build" / f"c-{target}"
    if not (folder / "lib" / "libspanpin.a").exists():
        raise Skip(f"build/c-{target} is not there: cargo xtask archive --target {target}")
    return folder


def on_arm64(name):
    """A test program for arm64, in an emulator."""

    def test(folder):
        library = other_target("aarch64-unknown-linux-gnu")
        need("aarch64-linux-gnu-gcc")
        need("qemu-aarch64")
        compiler = ["aarch64-linux-gnu-gcc", "-std=c11", "-static", *WARNINGS]
        sources = [HERE / source for source in PROGRAMS[name]]
        run(["qemu-aarch64", compiled(folder, f"{name}-arm64", sources, library, compiler=compiler)])

    return test


def on_musl(folder):
    """The first program with the musl that Rust brings along, on this machine."""
    library = other_target("x86_64-unknown-linux-musl")
    if os.uname().machine != "x86_64":
        raise Skip("this machine is no x86-64")
    sysroot = Path(run([os.environ.get("RUSTC", "rustc"), "--print", "sysroot"], cwd=ROOT).strip())
    musl = sysroot / "lib" / "rustlib" / "x86_64-unknown-linux-musl" / "lib" / "self-contained"
    program = folder / "first-musl"
    run([CC, "-std=c11", "-O1", "-U_FORTIFY_SOURCE", "-fno-pie", "-no-pie", "-static", "-nostdlib",
         "-I", library / "include", musl / "crt1.o", musl / "crti.o", EXAMPLES / "first.c",
         library / "lib" / "libspanpin.a", musl / "libc.a", musl / "crtn.o", "-o", program])
    assert TRACE in run([program])


def only_what_the_c_library_has(folder):
    """The archive needs nothing but the C library, and shows nothing but its functions."""
    archive = SHIPPED / "lib" / "libspanpin.a"
    shown = {line.split()[-1] for line in run(["nm", "-g", "--defined-only", archive]).splitlines() if " " in line}
    wanted = set((ROOT / "c-api" / "symbols.txt").read_text().split())
    assert shown == wanted, shown ^ wanted
    program = compiled(folder, "nolibs", [EXAMPLES / "first.c"], SHIPPED)
    needed = [line for line in run(["readelf", "-d", program]).splitlines() if "(NEEDED)" in line]
    assert all("libc." in line or "libm." in line for line in needed), needed


class Server:
    """An example server on a port of its own choice, stopped at the end."""

    def __init__(self, program, log=None, variables=None):
        environment = {**os.environ, **(variables or {})}
        self.process = subprocess.Popen([program, "0"], stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        self.url = self.process.stdout.readline().strip().removesuffix("/metrics")
        assert self.url.startswith("http://127.0.0.1:"), self.url

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=20)
        self.process.stdout.close()

    def get(self, path, **headers):
        request = urllib.request.Request(self.url + path)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()


def lines_of(path, count):
    """The lines of a log that may be written a moment after the answer."""
    for _ in range(600):
        lines = path.read_text().splitlines()
        if len(lines) >= count:
            break
        time.sleep(0.05)
    return lines


OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def check_pages(server, sample):
    status, headers, body = server.get("/metrics", Accept=OPENMETRICS, User_Agent="test")
    page = body.decode()
    assert status == 200 and headers["Content-Type"].startswith(OPENMETRICS.split(";")[0]), headers
    assert page.endswith("# EOF\n"), page[-80:]
    assert sample in page and f'# {{trace_id="{TRACE}",span_id="{SPAN}"}}' in page, page
    _, headers, packed = server.get("/metrics", Accept=OPENMETRICS, Accept_Encoding="gzip", User_Agent="other")
    assert headers["Content-Encoding"] == "gzip", headers
    assert gzip.decompress(packed).endswith(b"# EOF\n")
    _, headers, body = server.get("/metrics")
    assert headers["Content-Type"].startswith("text/plain") and b"# EOF" not in body and TRACE.encode() not in body


def metrics_server(folder):
    program = compiled(folder, "metrics_server", [EXAMPLES / "metrics_server.c"], SHIPPED)
    log_file = folder / "log"
    with log_file.open("w") as log, Server(program, log, {"SPANPIN_EXEMPLAR_SLOTS": "many"}) as server:
        for path in ("/work?ms=40", "/fail", "/nowhere"):
            server.get(path, traceparent=f"00-{TRACE}-{SPAN}-01")
        status, _, _ = server.get("/work", traceparent="broken")
        assert status == 200
        check_pages(server, 'http_request_duration_seconds_count{path="/work"} 2\n')
        page = server.get("/metrics", Accept=OPENMETRICS)[2].decode()
        assert "http_request_failures_total 2" in page, page
        assert server.get("/work", traceparent="x" * 9000)[0] == 400
        server.get("/work?ms=600", traceparent=f"00-{TRACE}-{SPAN}-00")
        lines_of(log_file, 2)
        server.get("/metrics", Accept=OPENMETRICS)  # Ends the window, so that the next one is told of again.
        server.get("/work?ms=600")
        wrong, *slow = lines_of(log_file, 3)
        assert 'SPANPIN_EXEMPLAR_SLOTS is "many"' in wrong, wrong
        assert len(slow) == 2 and all("threshold=0.5 sampled=false path=/work" in line for line in slow), slow
        assert slow[0].endswith(f"trace=https://traces.example/trace/{TRACE}") and slow[1].endswith("trace="), slow


def microhttpd_server(folder):
    need("pkg-config")
    if subprocess.run(["pkg-config", "--exists", "libmicrohttpd"]).returncode != 0:
        raise Skip("libmicrohttpd is not installed (Debian: libmicrohttpd-dev)")
    flags = run(["pkg-config", "--cflags", "--libs", "libmicrohttpd"]).split()
    source = EXAMPLES / "microhttpd_server.c"
    program = folder / "microhttpd_server"
    run([*C11, "-I", SHIPPED / "include", source, SHIPPED / "lib" / "libspanpin.a", *flags, "-o", program])
    with Server(program) as server:
        server.get("/", traceparent=f"00-{TRACE}-{SPAN}-01")
        server.get("/")
        check_pages(server, "http_request_duration_seconds_count 2\n")


def tests():
    """(name, function) of every test, in order."""
    yield "header_alone_in_c", header_alone_in_c
    yield "header_alone_in_cxx", header_alone_in_cxx
    for name in PROGRAMS:
        yield name, plain(name)
    yield "history_as_json", history_as_json
    yield "environment", environment
    yield "explicit_options_win", explicit_options_win
    yield "documented_variables", documented_variables
    yield "cxx", cxx_program
    yield "sanitizer_finds_a_fault", sanitizer_finds_a_fault
    yield "a_leak_is_found", a_leak_is_found
    for name in PROGRAMS:
        yield f"{name}/asan", with_address_sanitizer(name)
    for name in PROGRAMS:
        yield f"{name}/valgrind", with_valgrind(name)
    yield "shared_library_by_pkg_config", shared_library_by_pkg_config
    yield "cmake_package", cmake_package
    for name in ("errors", "scrape", "threads"):
        yield f"{name}/arm64-emulated", on_arm64(name)
    yield "first_program/musl", on_musl
    yield "only_what_the_c_library_has", only_what_the_c_library_has
    yield "first_program", first_program
    yield "metrics_server", metrics_server
    yield "microhttpd_server", microhttpd_server


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="run only tests whose name contains one of these")
    chosen = parser.parse_args().only
    for name in VARIABLES:
        os.environ.pop(name, None)
    for command in (["archives"], ["archive", "--dev"]):
        if subprocess.run([CARGO, "xtask", *command], cwd=ROOT).returncode != 0:
            sys.exit("c: the library cannot be built")
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for name, test in tests():
        if chosen and not any(word in name for word in chosen):
            continue
        with tempfile.TemporaryDirectory(prefix="spanpin-c-") as folder:
            try:
                test(Path(folder))
                outcome, detail = "passed", ""
            except Skip as missing:
                outcome, detail = "skipped", f" ({missing})"
            except (AssertionError, OSError, subprocess.TimeoutExpired) as fault:
                outcome, detail = "failed", f"\n{fault}"
        counts[outcome] += 1
        print(f"c/{name}: {outcome}{detail}", flush=True)
    print("c: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
