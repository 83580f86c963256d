import copy
import json

import pytest
import torch

from medsr.diffusion.denoiser import Denoiser
from medsr.diffusion.schedule import SIGMA_MAX
from medsr.errors import InputError, UsageError
from medsr.network.blocks import fold, unfold
from medsr.network.build import build_denoiser, build_network
from medsr.network.checkpoint import ModelCard, load_card, load_model, save_model
from medsr.network.unet import UNet

SMALL = {
    "kind": "unet",
    "context": 1,
    "widths": (8, 16),
    "blocks": (1, 1),
    "strides": ((2, 2),),
    "fold": (1, 4),
    "embedding": 16,
}


def small_denoiser(seed=0):
    torch.manual_seed(seed)
    denoiser = Denoiser(build_network(SMALL, 4))
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return denoiser.eval()


def card(**changes):
    values = {
        "name": "small",
        "description": "for tests",
        "modality": "MR",
        "network": SMALL,
        "features": 4,
        "residual_std": 0.05,
        "ranges": {},
        "people": 0,
        "data": {},
        "training": {},
        "results": {},
        "limits": (),
    }
    return ModelCard(**{**values, **changes})


def test_fold_and_unfold_are_inverse():
    x = torch.randn(2, 3, 4, 8)
    assert torch.equal(unfold(fold(x, (2, 4)), (2, 4)), x)
    assert fold(x, (1, 4))[0, 1, 2, 1] == x[0, 0, 2, 5]


def test_blocks_fold_too():
    x = torch.randn(2, 3, 4, 6, 8)
    assert torch.equal(unfold(fold(x, (2, 3, 4)), (2, 3, 4)), x)
    network = UNet(
        channels=3,
        features=4,
        widths=(8, 16),
        blocks=(1, 1),
        strides=((2, 2, 1),),
        fold=(2, 2, 4),
        embedding=16,
    )
    out = network(torch.randn(2, 3, 9, 13, 18), torch.zeros(2), torch.zeros(2, 4))
    assert out.shape == (2, 1, 9, 13, 18)


@pytest.mark.parametrize("kind", ["unet", "monai"])
@pytest.mark.filterwarnings("ignore")
def test_any_size_goes_through(kind):
    network = build_network({**SMALL, "kind": kind}, 4)
    out = network(torch.randn(2, 6, 13, 19), torch.zeros(2), torch.zeros(2, 4))
    assert out.shape == (2, 1, 13, 19)


@pytest.mark.parametrize("kind", ["unet", "monai"])
@pytest.mark.filterwarnings("ignore")
def test_at_one_level_gives_what_one_each_does(kind):
    torch.manual_seed(0)
    network = build_network({**SMALL, "kind": kind}, 4)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    image, level, features = torch.randn(3, 6, 12, 16), torch.full((1,), 0.7), torch.rand(1, 4)
    each = network(image, level.expand(3), features.expand(3, -1))
    assert each.std() > 0.01
    before = copy.deepcopy(network.state_dict())
    fixed = network.at(level, features, torch.float32)
    torch.testing.assert_close(fixed(image), each, rtol=1e-4, atol=1e-5)
    half = network.at(level, features, torch.bfloat16)(image.bfloat16()).float()
    assert (half - each).abs().max() < 0.05 * each.std()
    for name, values in network.state_dict().items():  # the network is what it was
        assert torch.equal(values, before[name])


def test_weights_come_back(tmp_path):
    denoiser = small_denoiser()
    save_model(denoiser, card(), tmp_path / "small.safetensors")
    again, read = load_model(tmp_path / "small.safetensors")
    assert read.residual_std == 0.05
    for a, b in zip(denoiser.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_damaged_weights_are_a_sentence(tmp_path):
    path = tmp_path / "small.safetensors"
    save_model(small_denoiser(), card(), path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="damaged"):
        load_model(path)


def test_the_digest_of_a_card_follows_what_changes_results():
    digest = card().settings_digest
    assert card(detail_tolerance=1.4).settings_digest != digest
    assert card(sigma_data=1.2).settings_digest != digest
    assert card(description="other words", limits=("a limit",)).settings_digest == digest


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", None),
        ("modality", "PT"),
        ("modality", ["MR"]),
        ("network", "unet"),
        ("features", "4"),
        ("features", True),
        ("residual_std", "0.1"),
        ("residual_std", float("nan")),
        ("residual_std", 10**400),
        ("ranges", []),
        ("detail_tolerance", "much"),
        ("intervals", {"mean": 3}),
        ("limits", [1]),
        ("sigma_data", -1),
    ],
)
def test_a_card_with_a_field_of_another_kind_is_refused(tmp_path, field, value):
    path = tmp_path / "small.safetensors"
    save_model(small_denoiser(), card(), path)
    page = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**page, field: value}))
    with pytest.raises(InputError, match=field):
        load_model(path)


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "null", "{}", "\xff", '{"limits": 3}'])
def test_what_is_no_card_is_refused(tmp_path, text):
    path = tmp_path / "small.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match="is not a medsr model card"):
        load_card(path)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "resnet"},
        {"kind": ["unet"]},
        {"context": "two"},
        {"context": 1e999},
        {"widths": None},
        {"widths": [-8, 0]},
        {"widths": "mm"},
        {"widths": [4096] * 8, "blocks": [32] * 8, "strides": [[2, 2]] * 7},
        {"blocks": [1]},
        {"strides": [[]]},
        {"fold": [4]},
        {"embedding": 9 * 10**400},
    ],
)
def test_a_card_of_a_network_that_is_none_is_refused(tmp_path, change):
    path = tmp_path / "small.safetensors"
    save_model(small_denoiser(), card(), path)
    page = json.loads(path.with_suffix(".json").read_text())
    page["network"] |= change
    path.with_suffix(".json").write_text(json.dumps(page))
    with pytest.raises(InputError, match="card"):
        load_model(path)


def test_a_scale_head_starts_at_zero_and_leaves_the_image(tmp_path):
    plain = small_denoiser()
    scaled = build_denoiser({**SMALL, "scale_head": True}, 4)
    scaled.load_state_dict(plain.state_dict(), strict=False)
    cond, features = torch.rand(1, 5, 9, 17), torch.rand(4)
    expected = plain.at(SIGMA_MAX, features, torch.float32)(torch.zeros(1, 1, 9, 17), cond)
    found = scaled.at(SIGMA_MAX, features, torch.float32)(torch.zeros(1, 1, 9, 17), cond)
    assert torch.equal(found[:, :1], expected)
    assert torch.allclose(found[:, 1:], torch.ones(()), atol=2e-3)  # exp(0), c_out near 1
    save_model(scaled, card(network={**SMALL, "scale_head": True}), tmp_path / "s.safetensors")
    again, _ = load_model(tmp_path / "s.safetensors")
    assert again.network.scale_head is not None


def test_networks_of_monai_have_no_scale_head():
    with pytest.raises(UsageError, match="no scale head"):
        build_network({**SMALL, "kind": "monai"}, 4, scale_head=True)
