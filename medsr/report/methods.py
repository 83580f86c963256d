"""Paragraphs for a methods section, generated from the settings that were used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medsr.evaluation.evaluation import Evaluation
from medsr.restore.options import takes_turns
from medsr.version import __version__
from medsr.volume.placement import words

__all__ = ["PROVENANCE", "enhancement_words", "evaluation_words", "provenance_of"]

#: Sidecar key -> its name on a page. No other key is shown: it may say who was scanned.
PROVENANCE = {
    "MedsrVersion": "medsr version",
    "Model": "Model",
    "ModelSHA256": "SHA-256 of the weights",
    "BaseModel": "Adapted from",
    "AdaptationSeconds": "Seconds of adaptation",
    "AdaptationGain": "Gain on slices kept aside, dB",
    "AdaptationKept": "Adaptation kept",
    "InputSHA256": "SHA-256 of the input",
    "InputSpacing": "Measured spacing, mm",
    "OutputSpacing": "Restored spacing, mm",
    "Factor": "Factor along each axis",
    "AssumedSliceProfile": "Assumed slice profile",
    "AssumedSliceThickness": "Assumed slice thickness, mm",
    "Sampler": "Sampler",
    "Steps": "Steps",
    "Samples": "Samples",
    "Seed": "Seed",
    "Device": "Device",
    "Precision": "Precision of the network",
    "Seconds": "Seconds",
}


def provenance_of(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The shown part of a sidecar: (name, value) pairs, in a fixed order."""
    return [(name, _value(facts[key])) for key, name in PROVENANCE.items() if key in facts]


def enhancement_words(facts: Mapping[str, Any]) -> str:
    """A paragraph on how a scan was enhanced.

    Args:
        facts: the sidecar that `medsr enhance` writes.
    """
    in_turn = takes_turns(int(facts["Steps"]), bool(facts.get("Quick", False)))
    how = "both orientations that contain the slice axis" + (
        ", one per step" if in_turn else ", averaged"
    )
    return (
        f"Scans were restored with medsr {facts['MedsrVersion']} (model {facts['Model']}, SHA-256 "
        f"{str(facts['ModelSHA256'])[:12]}), a conditional diffusion model that restores whole "
        f"slices in {how}, from "
        f"{words(facts['InputSpacing'])} mm to {words(facts['OutputSpacing'])} mm, assuming a "
        f"{facts['AssumedSliceProfile']} slice profile of "
        f"{facts['AssumedSliceThickness']:.3g} mm. {_kind_of_result(facts)}"
    )


def _kind_of_result(facts: Mapping[str, Any]) -> str:
    """A sentence on what was computed: the posterior mean, a sample or the mean of several."""
    steps, samples = int(facts["Steps"]), int(facts["Samples"])
    if steps == 1:
        return "The result is the posterior mean."
    what = "one sample" if samples == 1 else f"the mean of {samples} samples"
    return f"The result is {what} in {steps} steps ({facts['Sampler']}, seed {facts['Seed']})."


def evaluation_words(evaluation: Evaluation) -> str:
    """A paragraph on how the metrics of a case were computed."""
    ruler = evaluation.ruler
    return (
        f"Images were compared with medsr {__version__} on the reference's grid "
        f"({words(evaluation.reference_shape)} voxels of {words(evaluation.spacing_mm)} mm) "
        f"without interpolation, over {evaluation.mask_how}, with a data range of "
        f"{ruler.data_range:.6g} {evaluation.unit} ({ruler.data_range_how}). PSNR, NRMSE and MAE "
        "are over that mask; SSIM (Wang et al. 2004) has an 11-voxel Gaussian window of 1.5 "
        "voxels, in 3-D and in slices; MS-SSIM (Wang et al. 2003) has three scales; GMSD follows "
        "Xue et al. 2014 in slices, HFEN Ravishankar and Bresler 2011 in 3-D. Edge sharpness is "
        "the median 10-90 % rise of the reference's strongest edges; bias and limits of agreement "
        "follow Bland and Altman. "
        "A shift between images was measured by Gauss-Newton registration and not corrected."
    )


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return words([float(v) for v in value])
    return f"{value:.6g}" if isinstance(value, float) else str(value)
