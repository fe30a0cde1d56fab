"""What an exemplar's label set comes to: ids in all their spellings, the limit, what is lost.

The half of the oracle that knows nothing of windows and rings. Losses go by reason into a counter that the caller gives.
"""

import re

LABEL_LIMIT = 128
TRACE, SPAN = "trace_id", "span_id"  # the labels that ids are written under
DIGITS = {TRACE: 32, SPAN: 16}

LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
HEX = re.compile(r"[0-9a-fA-F]+\Z")
DECIMAL = re.compile(r"[0-9]+\Z")
SPELLING = re.compile(r"(xb3|b3|otel|dd)?(trace|span)id\Z")
TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\Z", re.S)
DECIMAL_LEAST = 17  # shorter decimal numbers are ids under Datadog's names only
REPLACED = str.maketrans('"\\\n', "'/ ")


def hex_id(text, digits):
    """The id in lower case, or None when `text` is not one."""
    if len(text) == digits and HEX.match(text) and text.strip("0"):
        return text.lower()
    return None


def parse_traceparent(text):
    """(trace id, span id, flags), or None when W3C Trace Context forbids it."""
    match = TRACEPARENT.match(text)
    if not match:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest is not None):
        return None
    if not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return trace_id, span_id, int(flags, 16)


def spelling(name):
    """(the label an id of this name is written under, whether it is Datadog's), or None for another name."""
    match = SPELLING.match(re.sub("[-_.]", "", name).lower())
    return match and (TRACE if match[2] == "trace" else SPAN, match[1] == "dd")


def id_of(name, value):
    """(label, digits) of the id that a label gives, or None."""
    spelled = spelling(name)
    if not spelled:
        return None
    label, datadog = spelled
    found = hex_id(value, DIGITS[label])
    full_trace_id = label == TRACE and len(value) == DIGITS[TRACE]  # is hexadecimal whatever its digits
    if DECIMAL.match(value) and (datadog or len(value) >= DECIMAL_LEAST) and not full_trace_id:
        number = int(value)
        found = f"{number:016x}" if 0 < number < 2**64 else None
    elif not found:
        found = hex_id(value, 16)  # B3 and Datadog have trace ids of 64 bits
    return found and (label, found.rjust(DIGITS[label], "0"))


def fit(ids, labels, respell, lost):
    """The ids, and behind them of `labels` what is valid and has room. `respell`: ids become the two labels above."""
    room = LABEL_LIMIT - sum(len(name) + len(value) for name, value in ids)
    given, kept, reasons = dict(ids), [], set()
    for name, value in labels:
        found = id_of(name, value)
        if not value or name in given or (respell and found and found[0] in given):
            continue
        if not LABEL_NAME.match(name):
            reasons.add("label_value")
            continue
        if any(name == earlier for earlier, _ in kept):
            continue
        room -= len(name) + len(value)
        if room < 0:
            reasons.add("label_limit")
            break
        harmless = value.translate(REPLACED)
        if harmless != value:
            reasons.add("label_value")
        kept.append((name, harmless))
    lost.update(reasons)
    return list(ids) + kept, bool(reasons)


def offer_labels(trace_id, span_id, extra, keep_names, lost):
    return fit([(TRACE, trace_id), (SPAN, span_id)], extra, not keep_names, lost)[0]


def explicit_ids(labels, keep_names, lost):
    """The ids of an explicit exemplar: of each kind the first that is one. With `keep_names` only where the name is exact."""
    ids, misread = {}, False
    for name, value in labels:
        if not value or not spelling(name):
            continue
        found = id_of(name, value)
        misread |= not found
        if found and not (keep_names and name not in DIGITS):
            ids.setdefault(*found)
    if misread:
        lost["invalid_id"] += 1
    return [(label, ids[label]) for label in (TRACE, SPAN) if label in ids]


def explicit_labels(ids, labels, keep_names, lost):
    if keep_names:  # the names stay, the ids under them are written in the one format
        labels = [(name, (id_of(name, value) or (None, value))[1]) for name, value in labels]
    kept, counted = fit(ids, labels, not keep_names, lost)
    if not kept and not counted:
        lost["label_value"] += 1
    return kept
