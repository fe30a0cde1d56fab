import os
import pathlib
import subprocess

import pytest
from deploy_files import ROOT


@pytest.fixture(scope="session")
def promtool() -> str:
    """Return the path of promtool; SPANPIN_PROMTOOL overrides Debian's."""
    given = os.environ.get("SPANPIN_PROMTOOL")
    if given:
        return given
    done = subprocess.run([str(ROOT / "tools" / "prometheus-debian.sh")], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip((done.stderr.strip().splitlines() or ["tools/prometheus-debian.sh failed"])[-1])
    return str(pathlib.Path(done.stdout.strip()) / "promtool")
