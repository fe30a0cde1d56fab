"""What a runner writes for a case, held against what the oracle expects."""

KINDS = ("om", "prom", "history")
OWN = tuple(start + b"spanpin_" for start in (b"", b"# TYPE ", b"# UNIT ", b"# HELP "))
SHOWN = b"spanpin_exemplars_dropped_total{"


def asks_for_self_metrics(ops):
    return bool(ops) and ops[0]["op"] == "registry" and ops[0].get("self_metrics", False)


def comparable(stream, ops):
    """The stream without those of the registry's own metrics that tell of time and memory: the drops stay."""
    if not asks_for_self_metrics(ops):
        return stream
    lines = stream.split(b"\n")
    return b"\n".join(line for line in lines if line.startswith(SHOWN) or not line.startswith(OWN))


def difference(wanted, written):
    """Where two streams part, or None."""
    if wanted == written:
        return None
    wanted, written = wanted.split(b"\n"), written.split(b"\n")
    at = next((i for i, (a, b) in enumerate(zip(wanted, written)) if a != b), min(len(wanted), len(written)))
    shown = [repr(lines[at].decode("utf-8", "replace")) if at < len(lines) else "the end" for lines in (wanted, written)]
    return f"line {at + 1}: expected {shown[0]}, got {shown[1]}"


def differences(expected, folder, name, ops):
    """What is wrong with a runner's files for a case; `expected` maps each kind to its bytes."""
    for kind in KINDS:
        path = folder / f"{name}.{kind}.txt"
        if not path.exists():
            yield f"{kind}: wrote nothing"
            continue
        found = difference(expected[kind], comparable(path.read_bytes(), ops))
        if found:
            yield f"{kind}: {found}"
