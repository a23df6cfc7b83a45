"""Whether matches of a needle can overlap each other. Nothing is imported: the command asks it at its start."""

from __future__ import annotations

# Needles up to this length are looked at; of longer ones there are few matches.
LONGEST = 256


def cannot_overlap(needle: bytes) -> bool:
    """Whether matches can't overlap each other, so that it doesn't matter where parts begin. False where not known."""
    return len(needle) <= LONGEST and not any(needle.startswith(needle[start:]) for start in range(1, len(needle)))
