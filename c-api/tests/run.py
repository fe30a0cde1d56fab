#!/usr/bin/env python3
"""Compiles and runs the C programs of this folder, of tests/link and of examples/c.

Builds the libraries first: `cargo xtask archives` (build/c, and build/c-<target> for other targets that are installed)
and `cargo xtask archive --dev` (build/c-dev). A program that cannot run for want of a tool is named and counted as
skipped.
"""

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
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


# Programs of this folder, each with the files it is made of.
PROGRAMS = {
    "errors": ["errors.c"],
    "null": ["null.c"],
    "scrape": ["scrape.c"],
    "segment": ["segment.c"],
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

    def __init__(self, program):
        self.process = subprocess.Popen([program, "0"], stdout=subprocess.PIPE, text=True)
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
    with Server(compiled(folder, "metrics_server", [EXAMPLES / "metrics_server.c"], SHIPPED)) as server:
        for path in ("/work?ms=40", "/fail", "/nowhere"):
            server.get(path, traceparent=f"00-{TRACE}-{SPAN}-01")
        status, _, _ = server.get("/work", traceparent="broken")
        assert status == 200
        check_pages(server, 'http_request_duration_seconds_count{path="/work"} 2\n')
        page = server.get("/metrics", Accept=OPENMETRICS)[2].decode()
        assert "http_request_failures_total 2" in page, page
        assert server.get("/work", traceparent="x" * 9000)[0] == 400


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
