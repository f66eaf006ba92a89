"""Killed and cut off from HP's cloud: `python -m tests.cloud_crash [--kills N] [--cuts N] [--seed N] [--json]`."""
