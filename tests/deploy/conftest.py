import os
import pathlib
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"


@pytest.fixture(scope="session")
def promtool() -> str:
    """Return the path of promtool; SPANPIN_PROMTOOL overrides Debian's."""
    given = os.environ.get("SPANPIN_PROMTOOL")
    if given:
        return given
    done = subprocess.run(
        [str(ROOT / "tools" / "prometheus-debian.sh")], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip((done.stderr.strip().splitlines() or ["tools/prometheus-debian.sh failed"])[-1])
    return str(pathlib.Path(done.stdout.strip()) / "promtool")


def check(promtool: str, what: str, path: pathlib.Path) -> None:
    """Fail with promtool's words unless it accepts the file."""
    done = subprocess.run([promtool, "check", what, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def documents(name: str) -> list[dict]:
    """Return the YAML documents of a file below deploy/."""
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def one(name: str, kind: str, called: str) -> dict:
    """Return the one object of that kind and name in a manifest."""
    found = [d for d in documents(name) if d["kind"] == kind and d["metadata"]["name"] == called]
    assert len(found) == 1, f"{name} has {len(found)} objects {kind}/{called}; 1 was expected"
    return found[0]
