"""`configs/metadata.json` of a MONAI bundle, after the metadata schema of 25 July 2024."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from medsr.intensity import CLIP_HIGH, CLIP_LOW
from medsr.network.checkpoint import ModelCard
from medsr.sharing.shared_model import SharedModel, scores
from medsr.version import __version__

__all__ = ["SCHEMA", "metadata"]

#: What `verify_metadata` of MONAI checks the metadata with.
SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
    "meta_schema_20240725.json"
)

#: The diffusion model and its preconditioning.
REFERENCES = (
    "Karras T, Aittala M, Aila T, Laine S. Elucidating the design space of diffusion-based "
    "generative models. NeurIPS 2022.",
)

#: The numbers of the acquisition vector, `acquisition.conditioning.feature_vector`.
FEATURE_WORDS = (
    "log2 of slice spacing over fine spacing",
    "log2 of the slice profile's width in fine voxels",
    "log2 of the in-plane factor",
    "10 times noise over the intensity gain",
)


def metadata(model: SharedModel) -> dict[str, Any]:
    """The metadata of a bundle.

    Versions are those of the installed packages, so that the same installation gives the same
    bytes.
    """
    card = model.card
    return {
        "schema": SCHEMA,
        "version": __version__,
        "changelog": {__version__: f"Exported with medsr {__version__}."},
        "monai_version": _public("monai"),
        "pytorch_version": _public("torch"),
        "numpy_version": _public("numpy"),
        "required_packages_version": {"medsr": __version__},
        "name": f"{card.name}: super-resolution of thick-slice {card.modality} scans",
        "task": f"Super-resolution of thick-slice {card.modality} scans",
        "description": f"Estimates thin slices from thick ones. {card.description}.",
        "authors": model.authors,
        "copyright": f"Copyright (c) {model.authors}",
        "data_source": "; ".join(card.attributions),
        "data_type": "nibabel",
        "image_classes": f"thick-slice {card.modality} scan, one channel",
        "pred_classes": f"{card.modality} scan with thin slices, one channel",
        "eval_metrics": scores(card),
        "intended_use": card.use,
        "references": list(REFERENCES),
        "network_data_format": _data_format(card),
    }


def _public(package: str) -> str:
    """The version of a package, without the name of its build (2.13.0+cpu)."""
    return version(package).partition("+")[0]


def _data_format(card: ModelCard) -> dict[str, Any]:
    """What the network takes and gives: slices in the network's range, see `PosteriorMean`."""
    image = {
        "type": "image",
        "format": "hounsfield" if card.modality == "CT" else "magnitude",
        "modality": card.modality,
        "spatial_shape": ["16*n", "16*n"],
        "dtype": "float32",
        "is_patch_data": False,
    }
    channels = _channels(card)
    return {
        "inputs": {
            "image": {
                **image,
                "num_channels": len(channels),
                "value_range": [CLIP_LOW, CLIP_HIGH],
                "channel_def": channels,
            }
        },
        "outputs": {
            "pred": {
                **image,
                "num_channels": 1,
                "value_range": [],
                "channel_def": {"0": "residual over the upsampled slice, in residual_std"},
            }
        },
    }


def _channels(card: ModelCard) -> dict[str, str]:
    context = int(card.network["context"])
    offsets = [*range(-context, 0), *range(1, context + 1)]
    words = [
        "upsampled slice in the network's range",
        *(f"neighbouring slice {offset:+d}" for offset in offsets),
        "cosine of the position between the measured slices",
        "sine of the position between the measured slices",
        *FEATURE_WORDS[: card.features],
        *(f"acquisition, number {k}" for k in range(len(FEATURE_WORDS), card.features)),
    ]
    return {str(k): word for k, word in enumerate(words)}
