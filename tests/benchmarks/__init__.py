"""The agent measured beside its neighbours: `python -m tests.benchmarks [--quick] [--json]`."""
