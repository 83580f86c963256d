import jsonschema
import pytest

from medsr.commands.schema import run
from medsr.remarks import Meaning
from medsr.restore.verdict import SelfCheck, Verdict


def check(gain, **found):
    values = {"ssim_gain": None, "coverage": None, "interval_scale": None, "slices": 12}
    return SelfCheck(gain, **{**values, **found})


@pytest.mark.parametrize(
    ("gain", "verdict", "meaning"),
    [
        (2.0, Verdict.HELPS, Meaning.NOTE),
        (0.5, Verdict.HELPS, Meaning.NOTE),
        (0.2, Verdict.HARDLY_HELPS, Meaning.NOTE),
        (-0.3, Verdict.HARMS, Meaning.DOUBT),
    ],
)
def test_the_verdict_follows_from_the_gain_and_only_harm_is_a_doubt(gain, verdict, meaning):
    found = check(gain)
    assert (found.verdict, found.remark.meaning) == (verdict, meaning)
    assert f"the model {verdict}" in found.remark.text
    assert f"{abs(gain):.1f} dB" in found.remark.text


def test_the_remark_says_what_the_interval_covers():
    assert "covers 87 % of them" in check(1.0, coverage=0.874).remark.text
    assert "interval" not in check(1.0).remark.text


@pytest.mark.parametrize(
    "found",
    [
        check(-0.3),
        check(1.2, ssim_gain=0.03, coverage=0.9, interval_scale=1.02, edge_strength=1.2),
    ],
)
def test_the_sidecar_has_what_its_schema_describes(found):
    schema = run("sidecar")["properties"]["SelfCheck"]
    jsonschema.validate(found.to_json(), schema)
    assert set(found.to_json()) <= set(schema["properties"])
    assert found.to_json()["Verdict"] == found.verdict
