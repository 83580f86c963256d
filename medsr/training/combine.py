"""Combines the sampling network of one model with the posterior-mean network of another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from medsr.errors import UsageError
from medsr.network.build import build_denoiser
from medsr.network.checkpoint import load_model, parameter_count, save_model

__all__ = ["combine"]

#: Settings of a network that are about the posterior mean alone.
OF_THE_MEAN = frozenset({"mean_network", "guides", "scale_head"})


def combine(samples: Path, mean: Path, output: Path) -> None:
    """Write a model that takes the samples from one model and the posterior mean from another.

    Args:
        samples: weights of the model that gives the network of the samples, and the card.
        mean: weights of a model with a network of its own for the posterior mean.
        output: weights to write, with their card.

    Raises:
        InputError: a model is missing or damaged.
        UsageError: the models do not fit together.
        OutputError: the output cannot be written.
    """
    first, card = load_model(samples)
    second, other = load_model(mean)
    alike = _of_both(card.network) == _of_both(other.network) and other.network.get("mean_network")
    if not alike or not math.isclose(card.residual_std, other.residual_std, rel_tol=1e-6):
        raise UsageError(
            f"{samples.name} and {mean.name} cannot be combined: their networks or their "
            "residual scales differ, or the second has no separate posterior-mean "
            "network."
        )
    both = build_denoiser(other.network, other.features)
    weights = {k: v for k, v in second.state_dict().items() if k.startswith("mean_network.")}
    weights |= {k: v for k, v in first.state_dict().items() if k.startswith("network.")}
    both.load_state_dict(weights)
    training = {
        **card.training,
        "parameters": parameter_count(both),
        "mean_network": dict(other.training),
    }
    ranges = {**other.ranges, "factor_of_samples": card.ranges["factor"]}
    data = _scans_of_both(card.data, other.data)
    combined = replace(
        card,
        network=other.network,
        ranges=ranges,
        training=training,
        data=data,
        people=len({scan["person"] for scan in data["train"]}),
    )
    save_model(both, combined, output)


def _of_both(network: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in network.items() if name not in OF_THE_MEAN}


def _scans_of_both(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The scans that either model learned from or was judged by, each once."""
    found: dict[str, Any] = {}
    for part in ("train", "validate"):
        scans = [*second.get(part, ()), *first.get(part, ())]
        found[part] = [scan for k, scan in enumerate(scans) if scan not in scans[:k]]
    return found
