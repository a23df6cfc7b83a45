"""What the tests use and isn't a test: helpers, scripts that run in child processes, C files that are compiled."""
