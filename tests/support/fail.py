"""What fail.c may be told: how a call fails, and the numbers that the tests go through."""

from __future__ import annotations

import errno

ONCE, STICKY, KILL_BEFORE, KILL_AFTER = MODES = range(4)

# In the midst of a write.
KILL_INSIDE = 4

# No errno: a write that writes half, or a read that reads half.
SHORT = -1

# What the package answers in ways of their own, but for the first: that is passed on, as those are of a long run alone.
NUMBERS = (errno.ENOSPC, errno.EINTR, errno.EACCES, SHORT)
PASSED_ON = (errno.EIO, errno.EDQUOT)
