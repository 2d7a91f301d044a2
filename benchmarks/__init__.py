"""Benchmarks: the hot paths against the plainest way to do the same; `make bench` runs them.

BENCH_ORDERS sets the size (1,000,000 orders of a tenth as many customers). Every figure
stands beside a reference that was measured in the same run: ratios travel from one machine
to another, milliseconds do not.
"""
