"""The real BIDS validator on what a batch writes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import medsr.batch
from medsr.restore.options import Options
from tests.batch.studies import bids_study, make_plan, small_model

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")


@pytest.mark.parametrize("inside", [True, False])
def test_the_bids_validator_passes_the_derivatives(tmp_path, inside):
    if not VALIDATOR.exists() and not shutil.which(VALIDATOR.name):
        pytest.skip("bids-validator-deno is not installed here")
    study = bids_study(tmp_path / "in")
    out = study / "derivatives" / "medsr" if inside else tmp_path / "out"
    model = small_model(tmp_path / "model")
    plan = make_plan(study, out, model=model, options=Options(samples=2, steps=2))
    assert medsr.batch.run(plan).counts == {"done": 2}
    said = subprocess.run(
        [str(VALIDATOR), "--json", str(out)], capture_output=True, text=True, check=False
    )
    issues = json.loads(said.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue.get("severity") == "error"] == []
    assert said.returncode == 0
    facts = json.loads((out / "sub-01/anat/sub-01_res-sr_desc-medsr_T1w.json").read_text())
    assert facts["Sources"] == ["bids:raw:sub-01/anat/sub-01_T1w.nii.gz"]
    link = json.loads((out / "dataset_description.json").read_text())["DatasetLinks"]["raw"]
    assert (out / link).resolve() == study.resolve()
