"""Appending to logs: records wait in a stage, and are drained to the log under its lock."""
