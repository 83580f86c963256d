"""The tissue segmentation: it finds what is there, and partial volume moves it the right way."""

import numpy as np
import pytest
from scipy import ndimage

from medsr.errors import Refused
from medsr.evaluation.compare import evaluate_pair
from medsr.metrics.tissue import compare_tissues
from medsr.volume.volume import Volume


def three_tissues(shape=(40, 42, 44)):
    """A core, a shell one to three voxels thick, and the outside of it; labels and intensities."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    r = np.sqrt((grid**2).sum(axis=0))
    labels = np.zeros(shape, dtype=np.int64)
    labels[r < 0.9] = 1
    labels[r < 0.65] = 2
    labels[r < 0.55] = 3
    x = np.choose(labels, [0.0, 200.0, 500.0, 800.0]) + 20 * rng.standard_normal(shape)
    return labels, x


def test_the_truth_is_found():
    labels, x = three_tissues()
    found = compare_tissues(x, {}, labels, voxel_ml=0.001)["reference"]
    assert [t.label for t in found] == [1, 2, 3]
    assert all(t.dice > 0.99 for t in found)
    assert all(t.change_percent == 0 for t in found)
    assert found[0].volume_ml == pytest.approx((labels == 1).sum() * 0.001, rel=0.01)


def test_labels_follow_brightness_not_number():
    labels, x = three_tissues()
    swapped = np.choose(labels, [0, 3, 1, 2])
    assert all(t.dice > 0.99 for t in compare_tissues(x, {}, swapped, 0.001)["reference"])


def test_blur_costs_overlap_of_the_thin_tissue_most():
    labels, x = three_tissues()
    blurred = {s: ndimage.gaussian_filter(x, (0, 0, s)) for s in (1, 2)}
    found = compare_tissues(x, blurred, labels, 0.001)
    assert found["reference"][1].dice > found[1][1].dice > found[2][1].dice
    assert found[2][1].dice < found[2][2].dice


def test_a_gain_does_not_matter():
    labels, x = three_tissues()
    found = compare_tissues(x, {"bright": 1.05 * x}, labels, 0.001)
    assert all(t.dice > 0.99 for t in found["bright"])


def test_the_same_every_time():
    labels, x = three_tissues()
    assert compare_tissues(x, {"a": x + 5}, labels, 1) == compare_tissues(
        x, {"a": x + 5}, labels, 1
    )


@pytest.mark.parametrize("count", [1, 9])
def test_too_few_or_too_many_labels_are_refused(count):
    _, x = three_tissues()
    labels = np.arange(x.size).reshape(x.shape) % count + 1
    with pytest.raises(Refused, match=f"has {count} labels"):
        compare_tissues(x, {}, labels, 1)


def test_an_evaluation_holds_them():
    labels, x = three_tissues()

    def volume(voxels):
        return Volume(voxels.astype(np.float32), np.eye(4), modality="MR")

    blur = volume(ndimage.gaussian_filter(x, (0, 0, 2)))
    found = evaluate_pair(volume(x), {"blur": blur}, labels=volume(labels))
    own = {s.metric: s.value for s in found.reference_scores}
    assert found.value("blur", "tissue_dice") < own["tissue_dice"]
    assert found.value("blur", "tissue_volume") > own["tissue_volume"] == 0
    assert set(found.tissues) == {"reference", "blur"}
    assert len(found.to_json()["tissues"]["blur"]) == 3
