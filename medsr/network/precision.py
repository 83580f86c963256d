"""Where half precision pays."""

from __future__ import annotations

import torch

__all__ = ["half_is_fast"]


def half_is_fast(device: torch.device) -> bool:
    """Whether bfloat16 convolutions are worth it: a GPU, or a CPU with instructions for them."""
    if device.type != "cpu":
        return device.type == "cuda"
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
