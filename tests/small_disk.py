"""A disk that is soon full, for tests of what happens then."""

import ctypes
import os
import sys
from contextlib import contextmanager

import pytest


@contextmanager
def small_disk_at(place, size):
    """A tmpfs of so many bytes; skips where none can be mounted."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("mounting a small disk (tmpfs) needs root on Linux")
    libc = ctypes.CDLL(None, use_errno=True)
    place.mkdir()
    words = (b"tmpfs", os.fsencode(place), b"tmpfs", 0, f"size={size}".encode())
    if libc.mount(*words) != 0:
        pytest.skip(f"this machine forbids mounting a tmpfs ({os.strerror(ctypes.get_errno())})")
    try:
        yield place
    finally:
        libc.umount2(os.fsencode(place), 2)
