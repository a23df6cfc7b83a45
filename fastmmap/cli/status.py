"""The statuses that the command ends with."""

FOUND, NOT_FOUND, ERROR, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141
