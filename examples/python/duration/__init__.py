"""Reads durations as people write them: ``90s``, ``20m``, ``1h30m``."""

import re

UNITS = {"h": 60 * 60, "m": 60, "s": 1}


def seconds(text: str) -> int:
    """The duration in seconds; raises ValueError, with a reason, where the text is none."""
    if not re.fullmatch(r"([0-9]+[a-z])+", text):
        raise ValueError(f"`{text}` needs a number and a unit")
    total = 0
    for count, unit in re.findall(r"([0-9]+)([a-z])", text):
        if unit not in UNITS:
            raise ValueError(f"`{unit}` is no unit; there are h, m and s")
        total += int(count) * UNITS[unit]
    return total
