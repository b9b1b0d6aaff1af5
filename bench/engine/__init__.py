"""The benchmark of the assignment engine: `python -m bench.engine`, or `make bench-engine`."""
