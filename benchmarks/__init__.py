"""Benchmarks: ours and a baseline, alternating in one run over the same engines. `make bench`."""
