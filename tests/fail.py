"""What fail.c may be told: how a call fails, and the numbers that the tests go through."""

from __future__ import annotations

import errno

ONCE, STICKY, KILL_BEFORE, KILL_AFTER = MODES = range(4)

# No errno: a write that writes half, or a read that reads half.
SHORT = -1

NUMBERS = (errno.ENOSPC, errno.EIO, errno.EINTR, errno.EDQUOT, errno.EACCES, SHORT)
