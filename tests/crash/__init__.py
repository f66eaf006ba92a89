"""The agent killed again and again: `python -m tests.crash [--kills N] [--seed N] [--json]`."""
