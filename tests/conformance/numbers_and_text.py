"""How the oracle reads the texts of a case, and spells numbers and label values."""

import math
from decimal import Decimal


def text(value):
    """Text of a case: a string, or {"bytes": hex} for what need not be UTF-8."""
    if isinstance(value, dict):
        return bytes.fromhex(value["bytes"]).decode("utf-8", "replace")
    return value


def canonical(value):
    """Go's shortest %g, with a point or an exponent always."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "0.0"
    sign = "-" if value < 0 else ""
    _, digits, exponent = Decimal(repr(abs(value))).as_tuple()
    digits = "".join(map(str, digits))
    exponent += len(digits) - 1
    digits = digits.rstrip("0")
    if exponent < -4 or exponent >= 6:
        mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
        return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    whole, fraction = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
    return f"{sign}{whole}.{fraction or '0'}"


def escape(value, quotes=True):
    value = value.replace("\\", "\\\\").replace("\n", "\\n")
    return value.replace('"', '\\"') if quotes else value


def timestamp(milliseconds):
    return f"{milliseconds // 1000}.{milliseconds % 1000:03d}"
