"""Keeps what is in the memory of this process, passwords among it, from being written to disk or read by others."""

from __future__ import annotations

import contextlib
import logging
import resource

log = logging.getLogger(__name__)

PR_SET_DUMPABLE = 4


def keep_memory_private() -> None:
    """Have the kernel dump no core of this process, to a file or to a program, and let no other user look into it.

    The limit alone would not do: a program that takes core dumps gets them whatever it is (core(5)). Under systemd the
    unit sets it, and the sandbox lets nobody set it again.
    """
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        import ctypes  # noqa: PLC0415 - a Python may be built without it

        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (ImportError, MemoryError, OSError, AttributeError) as error:
        log.warning("the memory of this process can't be kept from core dumps: %s", error)
