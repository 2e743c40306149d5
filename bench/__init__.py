"""Benchmarks: what commands cost, as a multiple of starting the bare interpreter. Run with `make bench`."""
