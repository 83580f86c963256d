"""`medsr --version --json`: medsr, its libraries and the processor, for a report of a fault."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from medsr.network.device import half_is_fast
from medsr.version import __version__

__all__ = ["run"]


def run() -> dict[str, Any]:
    """The facts that `medsr schema version` describes; no name of this machine or its user."""
    return {
        "medsr": __version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": {
            "name": _processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "bfloat16": half_is_fast(torch.device("cpu")),
        },
        "cuda_devices": _cuda_devices(),
        "libraries": _libraries(),
    }


def _processor() -> str:
    """The name of the processor; "" where the system does not say."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    named = re.search(r"^model name\s*: (.+)$", text, flags=re.MULTILINE)
    return named[1] if named else platform.processor()


def _cuda_devices() -> list[dict[str, Any]]:
    if not torch.cuda.is_available():
        return []
    found = [torch.cuda.get_device_properties(k) for k in range(torch.cuda.device_count())]
    return [{"name": one.name, "memory_bytes": one.total_memory} for one in found]


def _libraries() -> dict[str, str | None]:
    """Each package that medsr needs or can use -> its version; None where it is not installed."""
    try:
        needed = metadata.requires("medsr") or []
    except metadata.PackageNotFoundError:  # a copy of the source that was never installed
        needed = []
    names = {
        re.split(r"[^\w.-]", line, maxsplit=1)[0]
        for line in needed
        if not re.search(r"extra == .(dev|all)\b", line)
    }
    return {name: _version(name) for name in sorted(names, key=str.lower)}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
