"""The number format of the convolutions: what runs fast here, and what does not run at all."""

from __future__ import annotations

import torch

from medsr.errors import UsageError
from medsr.network.checkpoint import ModelCard
from medsr.network.device import half_is_fast
from medsr.network.int8 import int8_is_possible
from medsr.restore.choices import Precision
from medsr.restore.running import Running

__all__ = ["running_on"]


def running_on(device: torch.device, asked: Precision, card: ModelCard) -> Running:
    """How a model runs on a device.

    By default in bfloat16 where the processor has instructions for it; otherwise in int8, which
    costs no more accuracy (docs/development/speed.md), or where that is not possible in float32.

    Args:
        device: of the network.
        asked: the format that the user wants.
        card: of the model.

    Raises:
        UsageError: it is not possible with this device or model.
    """
    fault = "" if asked in (Precision.AUTO, Precision.FLOAT32) else _fault(device, asked, card)
    if fault:
        raise UsageError(
            f"--precision {asked.value}: {fault} Leave the option out, or use float32."
        )
    half = asked is Precision.BFLOAT16 or (asked is Precision.AUTO and half_is_fast(device))
    if half:
        return Running(device, torch.bfloat16)
    integers = asked is Precision.INT8 or (
        asked is Precision.AUTO and not _fault(device, Precision.INT8, card)
    )
    return Running(device, torch.float32, integers=integers)


def _fault(device: torch.device, asked: Precision, card: ModelCard) -> str:
    """Why a format is not possible; "" where it is."""
    if asked is Precision.BFLOAT16:
        known = device.type in ("cpu", "cuda")
        return "" if known else f"medsr does not use it on a device of type {device.type}."
    if device.type != "cpu":
        return f"it is for the CPU, and the network is to run on {device}."
    if card.network["kind"] != "unet" or len(card.network["fold"]) != 2:
        return f"the network of {card.name} has no int8 form, only U-Nets for slices have."
    if not int8_is_possible():
        return "it needs a processor with AVX2 and a PyTorch with oneDNN's int8 operators."
    return ""
