"""Words and UIDs of a derived DICOM series, from the record of the enhancement."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from medsr.restore.record import Record
from medsr.results.names import MAPS
from medsr.volume.dicom.read.series import DicomSeries
from medsr.volume.dicom.values import text
from medsr.volume.dicom.write.derive import Derivation, Kind
from medsr.volume.volume import Volume

__all__ = ["derivation_of", "with_thickness"]

#: The facts of a sidecar that fix a result; the UIDs of a derived series follow from them.
RECIPE = (
    "ModelSHA256",
    "ModelSettingsSHA256",
    "MedsrVersion",
    "OutputSpacing",
    "AssumedSliceProfile",
    "AssumedSliceThickness",
    "Sampler",
    "Steps",
    "Samples",
    "Quick",
    "Grain",
    "Seed",
    "Consistency",
    "Device",
    "Precision",
)


def with_thickness(volume: Volume, scan: Volume, record: Record) -> Volume:
    """A result with the thickness of its slices: their spacing where new, else the scan's."""
    axis = scan.slice_axis
    if axis is None:
        return replace(volume, slice_thickness_mm=None)
    sampling = record.axes[axis]
    is_new = abs(sampling.factor - 1.0) > 1e-9
    thickness = sampling.fine_mm if is_new else scan.slice_thickness_mm
    return replace(volume, slice_thickness_mm=thickness)


def derivation_of(kind: Kind, scan: Volume, source: DicomSeries, record: Record) -> Derivation:
    """What the headers of a derived series say of it.

    Args:
        kind: the enhanced image, or a map that belongs to it.
        scan: as measured.
        source: the series whose patient and study the new one takes over.
        record: of the enhancement.
    """
    facts = record.to_json()
    mm = " x ".join(f"{v:.3g}" for v in record.output_spacing_mm)
    old = " x ".join(f"{v:.3g}" for v in record.input_spacing_mm)
    joined = f", joined from {len(record.stacks)} scans," if record.stacks else ""
    used = sum(guide.used for guide in record.guides)
    joined += f", guided by {used} other scan{'s' * (used > 1)}," if used else ""
    what = "Restored" if kind == Kind.ENHANCED else MAPS[kind].words
    words = (
        f"{what}{joined} from {old} mm to {mm} mm by the conditional diffusion model "
        f"{facts['Model']} (medsr {facts['MedsrVersion']}, sampler {facts['Sampler']}, "
        f"steps {facts['Steps']}, samples {facts['Samples']}, seed {facts['Seed']}, assumed slice "
        f"profile {facts['AssumedSliceProfile']} of {facts['AssumedSliceThickness']:.3g} mm, "
        f"weights SHA-256 {facts['ModelSHA256']}). Research use only, not for diagnosis."
    )
    return Derivation(
        kind=kind,
        identity=_identity(scan, source, facts),
        model=facts["Model"],
        model_digest=facts["ModelSHA256"],
        version=facts["MedsrVersion"],
        words=words,
    )


def _identity(scan: Volume, source: DicomSeries, facts: dict[str, object]) -> str:
    """A digest of the input, the model, the settings and the seed; of no path and no clock."""
    total = hashlib.sha256(scan.voxels.tobytes() + scan.affine.tobytes())
    for header in source.files:
        total.update(text(header, "SOPInstanceUID").encode())
    total.update(json.dumps([facts[key] for key in RECIPE]).encode())
    for key in ("Stacks", "Guides"):
        if key in facts:
            total.update(json.dumps(facts[key]).encode())
    return total.hexdigest()
