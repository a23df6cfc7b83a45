"""The layout of an index of lines, in its two arrays: src/sampled.pxi says what they hold."""

# Bytes for each entry of the one of uint16, and of the one of int64.
SAMPLED, TOTALLED = 1 << 10, 1 << 15
