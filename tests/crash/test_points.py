"""Every synchronisation on words of a segment has a stop, and a missing one is seen."""

from __future__ import annotations

from points import LOCAL, STEPS, Stop, faults, read


def test_all_have_stops() -> None:
    stops, places = read()
    assert not faults(stops, places)
    assert len(stops) >= 50 and len(places) >= 30


def test_what_is_missing_is_seen() -> None:
    stops, places = read()
    for place in places:
        if place[0] not in LOCAL:
            left = [stop for stop in stops if stop.sync != place[0]]
            assert any(f"SYNC({place[0]}) has no stop" in fault for fault in faults(left, places))
    assert any("is of no shared SYNC" in fault for fault in faults([*stops, Stop("lock: held", "process.rs", 1)], places))
    assert any("another stop" in fault for fault in faults([*stops, stops[0]], places))
    assert any("has no stop" in fault for fault in faults([s for s in stops if s.sync != "growth"], places))
    assert any("any more" in fault for fault in faults(stops, [p for p in places if p[0] != "lock"]))
    assert all(reason for reason in [*LOCAL.values(), *STEPS.values()])
