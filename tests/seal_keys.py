"""Keys for tests that are not about keys."""

from __future__ import annotations

from agent.seal_key import Keyring


class FixedKeys:
    """One key, kept nowhere, that never changes."""

    place = "a test"
    is_changing = False

    def __init__(self, key: bytes = bytes(32)) -> None:
        self._key = key

    def load(self) -> Keyring:
        """Give it."""
        return Keyring(self._key)

    def begin_change(self) -> None:
        """Refuse."""
        raise AssertionError("this key never changes")

    def end_change(self) -> None:
        """Refuse."""
        raise AssertionError("this key never changes")
