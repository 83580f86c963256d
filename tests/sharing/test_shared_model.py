"""What a model card says to a stranger."""

import pytest

from medsr.sharing.shared_model import results_table, scores
from tests.network.test_unet_and_checkpoint import card


def test_the_table_has_a_row_for_each_subject_and_method():
    methods = {
        "cubic": {"psnr_db": 24.194, "ssim_3d": 0.77},
        "linear": {"psnr_db": 23.0, "ssim_3d": 0.7},
    }
    found = card(results={"quality": {"what": "words", "head-1": {"4x": methods, "2x": methods}}})
    assert scores(found) == {"head-1": {"cubic": methods["cubic"]}}
    assert results_table(found)[-1] == "| head-1 | cubic | 24.19 | 0.770 |"


@pytest.mark.parametrize(
    "results",
    [
        {},
        {"quality": []},
        {"quality": {"head-1": {"4x": "cubic"}}},
        {"quality": {"head-1": {"4x": {"cubic": {"psnr_db": "24", "ssim_3d": None}}}}},
    ],
)
def test_a_card_without_such_a_table_has_none(results):
    assert scores(card(results=results)) == {}
    assert results_table(card(results=results)) == []
