"""Benchmarks: ours against a named baseline, alternating in one run on one machine. `python -m benchmarks --help`."""
