"""Choice of the device and of half precision."""

from __future__ import annotations

import torch

from medsr.errors import UsageError
from medsr.processors import processors

__all__ = ["choose_device", "half_is_fast", "use_threads"]


def half_is_fast(device: torch.device) -> bool:
    """Whether bfloat16 convolutions are worth it: a GPU, or a CPU with instructions for them."""
    if device.type != "cpu":
        return device.type == "cuda"
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def use_threads(threads: int) -> None:
    """Let torch use so many CPU threads; 0 stands for all that the process may use."""
    now = torch.get_num_threads()
    wanted = threads or min(now, processors())
    if wanted != now:
        torch.set_num_threads(wanted)


def choose_device(name: str) -> torch.device:
    """auto, cpu, cuda, cuda:N or mps, as an available device.

    Raises:
        UsageError: it is not.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: PyTorch finds no CUDA device; use --device cpu.")
    if kind == "cuda" and number and int(number) >= torch.cuda.device_count():
        raise UsageError(f"--device {name}: there are {torch.cuda.device_count()} CUDA devices.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError("--device mps: PyTorch finds no Apple GPU; use --device cpu.")
    if kind not in {"cpu", "cuda", "mps"}:
        raise UsageError(f"--device {name}: choose auto, cpu, cuda, cuda:N or mps.")
    return torch.device(name)
