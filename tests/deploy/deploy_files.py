"""Reads the files below deploy/ and asks promtool about them."""

import pathlib
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"


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
