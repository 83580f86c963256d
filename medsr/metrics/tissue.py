"""Tissue overlap and volumes: one simple segmentation, the same for every image.

Given a label map of the reference (0 is outside; each other number a tissue), for each image on
its own:

1. Take the intensities v inside the map (label > 0).
2. Fit a mixture of Gaussians with one component a label by expectation maximisation
   (`sklearn.mixture.GaussianMixture`), started from the reference's median of each label; at most
   200,000 evenly spaced voxels enter the fit. Nothing is random.
3. Each voxel takes its most probable component; components take the labels in the order of their
   means, labels in the order of the reference's medians.

Reported for each label: Dice overlap with the given map, ``2 |A and B| / (|A| + |B|)``, and the
change of its volume against *the same segmentation of the reference*, so that the segmentation's
own error cancels. No atlas, no smoothing, no spatial prior: it sees intensities alone, which is
enough to see what partial volume does to thin tissue. Labels of like intensity cannot be told
apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsr.errors import Refused

__all__ = ["MAX_LABELS", "Tissue", "compare_tissues", "segment"]

#: More labels than this is a parcellation, which intensities alone cannot follow.
MAX_LABELS = 8
FIT_VOXELS = 200_000
TURNS = 500

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Tissue:
    """One label in one image.

    Attributes:
        label: its number in the given map.
        dice: overlap with the given map.
        volume_ml: in this image's segmentation.
        change_percent: of that volume, against the segmentation of the reference.
    """

    label: int
    dice: float
    volume_ml: float
    change_percent: float


def compare_tissues(
    reference: NDArray[np.float64],
    estimates: Mapping[str, NDArray[np.float64]],
    labels: Labels,
    voxel_ml: float,
) -> dict[str, tuple[Tissue, ...]]:
    """Segment the reference and every estimate, and compare.

    Args:
        reference: [X, Y, Z].
        estimates: label -> [X, Y, Z] on the same grid.
        labels: the map of the reference, whole numbers, 0 outside.
        voxel_ml: volume of a voxel.

    Returns:
        "reference" and each estimate's name -> its tissues.

    Raises:
        Refused: the map has fewer than 2 or more than 8 labels, or a label is constant.
    """
    names, medians = _medians(reference, labels)
    own = segment(reference, labels, names, medians)
    result = {}
    for name, image in {"reference": reference, **estimates}.items():
        found = own if name == "reference" else segment(image, labels, names, medians)
        result[name] = tuple(
            Tissue(
                label,
                _dice(found == label, labels == label),
                float((found == label).sum() * voxel_ml),
                _change(int((found == label).sum()), int((own == label).sum())),
            )
            for label in names
        )
    return result


def segment(
    image: NDArray[np.float64],
    labels: Labels,
    names: tuple[int, ...],
    medians: NDArray[np.float64],
) -> Labels:
    """The mixture segmentation of one image inside the map: steps 1-3 of the module's text.

    Args:
        image, labels: [X, Y, Z].
        names: the labels.
        medians: the reference's median intensity in each of them.

    Returns:
        [X, Y, Z], a label inside the map and 0 outside.
    """
    from sklearn.mixture import GaussianMixture  # a second to import, and few evaluations ask

    inside = labels > 0
    values = image[inside][:, None]
    variances = [max(float(image[labels == n].var()), 1e-6) for n in names]
    mixture = GaussianMixture(
        len(names),
        means_init=medians[:, None],
        weights_init=np.full(len(names), 1 / len(names)),
        precisions_init=np.reshape([1 / v for v in variances], (-1, 1, 1)),
        max_iter=TURNS,
        random_state=0,
    )
    mixture.fit(values[:: max(1, len(values) // FIT_VOXELS)])
    in_order = np.empty(len(names), dtype=np.int64)
    in_order[np.argsort(mixture.means_[:, 0])] = np.asarray(names)[np.argsort(medians)]
    result = np.zeros(labels.shape, dtype=np.int64)
    result[inside] = in_order[mixture.predict(values)]
    return result


def _medians(
    reference: NDArray[np.float64], labels: Labels
) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    names = tuple(int(n) for n in np.unique(labels) if n > 0)
    if not 2 <= len(names) <= MAX_LABELS:
        raise Refused(
            f"The label map has {len(names)} labels; the tissue segmentation needs 2 to "
            f"{MAX_LABELS} tissues that differ in brightness, such as CSF, grey and white "
            "matter."
        )
    return names, np.array([np.median(reference[labels == n]) for n in names])


def _dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def _change(voxels: int, of_reference: int) -> float:
    return 100.0 * (voxels - of_reference) / of_reference if of_reference else 0.0
