"""The short form: 200 kills, at least one at each stop."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def test_two_hundred_kills() -> None:
    done = subprocess.run([sys.executable, str(HERE / "run.py"), "--short"], stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout)
    line = re.search(r"^kills=(\d+) torn=0 stuck=0 lost=0$", done.stdout, re.MULTILINE)
    assert done.returncode == 0 and line and int(line[1]) >= 200
