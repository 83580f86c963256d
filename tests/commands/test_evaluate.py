"""`medsr evaluate` on folders, by its words."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from medsr.acquisition.simulate import degrade, plan_degradation
from medsr.errors import Refused
from medsr.metrics.registry import ALL_METRICS
from medsr.volume.nifti import read_nifti
from medsr.volume.nifti_write import write_nifti
from medsr.volume.volume import Volume
from tests.command_line import call
from tests.conftest import smooth_head
from tests.regions.conftest import thresholds, write


@pytest.fixture
def folders(tmp_path):
    """Seven people: fine scans, thick scans of them, a good and a bad estimate."""
    rng = np.random.default_rng(0)
    for i in range(7):
        name = f"sub-0{i}_T1w.nii.gz"
        voxels = smooth_head((24, 28, 24), seed=i)
        fine = Volume(voxels, np.eye(4), modality="MR", slice_axis=2)
        plan = plan_degradation(fine.shape, (1, 1, 1), slice_axis=2, slice_spacing_mm=2)
        noise = rng.standard_normal(fine.shape).astype(np.float32)
        scans = {
            "ref": fine,
            "low": degrade(fine, plan, slice_axis=2),
            "good": replace(fine, voxels=voxels + noise),
            "bad": replace(fine, voxels=voxels + 4 * noise),
            "labels": replace(fine, voxels=(voxels > 0) * 1.0 + (voxels > 100)),
        }
        for role, volume in scans.items():
            write_nifti(volume, tmp_path / role / name, {"Modality": "MR", "SliceThickness": 2.0})
    return tmp_path


def test_methods_over_people(folders, capsys):
    words = ["--reference", folders / "ref", "--estimates", folders / "good", folders / "bad"]
    words += ["--names", "good", "bad", "--low", folders / "low", "--labels", folders / "labels"]
    words += ["-o", folders / "all.json", "--csv", folders / "all.csv"]
    assert call("evaluate", *words, "--table", folders / "all.tex") == 0
    said = json.loads((folders / "all.json").read_text())
    assert said["methods"] == ["good", "bad", "linear", "cubic"]
    assert said["people"] == 7
    psnr = next(p for p in said["pairings"] if p["metric"] == "psnr")
    assert (psnr["first"], psnr["second"], psnr["wins"]) == ("good", "bad", 7)
    assert psnr["p"] == pytest.approx(2 / 2**7)
    assert psnr["p_holm"] >= psnr["p"]
    consistency = {
        s["method"]: s["mean"] for s in said["summaries"] if s["metric"] == "consistency"
    }
    assert consistency["good"] < consistency["bad"]
    dice = {s["method"]: s["mean"] for s in said["summaries"] if s["metric"] == "tissue_dice"}
    assert dice["good"] > dice["bad"]
    lines = list(csv.DictReader((folders / "all.csv").read_text().splitlines()))
    assert len(lines) == 28
    assert r"\toprule" in (folders / "all.tex").read_text()
    assert "PSNR: good vs bad: 7 wins, 0 ties, 0 losses" in capsys.readouterr().out


def test_a_case_without_numbers_is_a_row_everywhere(folders, capsys):
    bad, gone = (folders / "good" / f"sub-0{i}_T1w.nii.gz" for i in (3, 4))
    bad.write_bytes(b"not a scan")
    gone.unlink()
    keep(folders, 0, 3, 4)
    words = ["--reference", folders / "ref", "--estimate", folders / "good"]
    words += ["-o", folders / "all.json", "--csv", folders / "all.csv"]
    words += ["--table", folders / "all.md", "--report", folders / "all.html"]
    assert call("evaluate", *words) == 8
    said = json.loads((folders / "all.json").read_text())
    assert said["people"] == 1
    assert [(c["name"], c["failed"]) for c in said["left_out"]] == [
        ("sub-04_T1w", False),
        ("sub-03_T1w", True),
    ]
    lines = list(csv.DictReader((folders / "all.csv").read_text().splitlines()))
    assert [line["case"] for line in lines] == ["sub-00_T1w", "sub-04_T1w", "sub-03_T1w"]
    assert lines[1]["remarks"] == "There is no matching estimate estimate."
    assert "cannot be read" in lines[2]["remarks"]
    assert lines[2]["psnr"] == ""
    shown = capsys.readouterr()
    for text in ((folders / "all.md").read_text(), shown.out):
        assert "Not evaluated: sub-03" in text.replace("\\", "")
        assert "Not evaluated: sub-04" in text.replace("\\", "")
    page = (folders / "all.html").read_text()
    assert "Not evaluated: sub-03_T1w.nii.gz: cannot be read" in page
    assert "1 case could not be evaluated. sub-03_T1w: " in shown.err


def test_a_case_without_a_page_keeps_its_numbers(folders, monkeypatch, capsys):
    from medsr.commands import evaluate

    def page(case, *others):
        if case.person == "01":
            raise Refused("there is nothing to see.")
        return case_page(case, *others)

    case_page = evaluate.case_page
    monkeypatch.setattr(evaluate, "case_page", page)
    keep(folders, 0, 1)
    words = ["--reference", folders / "ref", "--estimate", folders / "good"]
    words += ["--csv", folders / "all.csv", "--report", folders / "group.html"]
    assert call("evaluate", *words) == 8
    lines = list(csv.DictReader((folders / "all.csv").read_text().splitlines()))
    assert [float(line["psnr"]) > 20 for line in lines] == [True, True]
    page = (folders / "group.html").read_text()
    assert "2 subjects (2 cases" in page
    assert 'href="group_cases/sub-00_T1w.html"' in page
    assert 'href="group_cases/sub-01_T1w.html"' not in page
    assert "sub-01_T1w: has metrics but no page or picture: there is nothing to see." in page
    assert "has metrics but no page" in capsys.readouterr().err


def test_four_metrics_are_shown_and_every_file_holds_all(folders, capsys):
    keep(folders, 0, 1)
    words = ["--reference", folders / "ref", "--estimate", folders / "good"]
    words += ["--low", folders / "low", "--csv", folders / "all.csv"]
    assert call("evaluate", *words, "--table", folders / "few.md") == 0
    few = capsys.readouterr().out
    assert call("evaluate", *words, "--table", folders / "all.md", "--all", "--explain") == 0
    every = capsys.readouterr().out
    heads = [line.partition(" ")[0] for line in few.splitlines()[1:5]]
    assert heads == ["PSNR", "SSIM", "Sharpness", "Consistency"]
    assert "linear" not in few
    assert "HFEN" not in few + (folders / "few.md").read_text()
    assert "HFEN" in every
    assert "linear" in every
    assert "Laplacian of Gaussian" in every
    assert "HFEN" in (folders / "all.md").read_text()
    lines = list(csv.DictReader((folders / "all.csv").read_text().splitlines()))
    assert {line["method"] for line in lines} == {"estimate", "linear", "cubic"}
    assert all(line["hfen"] for line in lines)


def test_definitions_need_no_scan(capsys):
    assert call("evaluate", "--explain") == 0
    said = capsys.readouterr().out
    assert said.startswith("PSNR (higher is closer): ")
    assert len(said.splitlines()) == len(ALL_METRICS)


def test_a_csv_of_pairs(folders, capsys):
    table = folders / "pairs.csv"
    lines = [f"p,ref/sub-0{i}_T1w.nii.gz,good/sub-0{i}_T1w.nii.gz" for i in range(2)]
    table.write_text("\n".join(["person,reference,estimate", *lines]) + "\n")
    assert call("evaluate", "--pairs", table) == 0
    assert "1 subject (2 cases" in capsys.readouterr().out


def test_what_is_asked_wrongly(folders, capsys):
    assert call("evaluate", "--reference", folders / "ref") == 2
    words = ["--reference", folders / "ref", "--estimate", folders / "good"]
    assert call("evaluate", *words, "--table", folders / "t.txt") == 2
    assert call("evaluate", *words, "--picture", folders / "p.png") == 2
    assert call("evaluate", *words, "--pairs", folders / "p.csv") == 2
    assert "--pairs already lists the files" in capsys.readouterr().err


def test_pages_of_a_group_and_of_each_case(folders):
    keep(folders, 0, 1)
    report = folders / "pages" / "group.html"
    words = ["--reference", folders / "ref", "--estimate", folders / "good"]
    assert call("evaluate", *words, "--low", folders / "low", "--report", report) == 0
    page = report.read_text()
    assert 'href="group_cases/sub-01_T1w.html"' in page
    assert "2 subjects (2 cases" in page
    assert "Wilcoxon" in page
    assert 'id="comparisons"' in page
    case = (folders / "pages" / "group_cases" / "sub-01_T1w.html").read_text()
    assert "Evaluation of sub-01_T1w" in case
    assert 'id="volume-before"' in case
    assert "SHA-256 of reference" in case
    assert not re.search(r"(src|href)=.https?:", page + case)


def test_cases_with_and_without_a_measured_scan(folders, capsys):
    """A case without --low has no interpolation; its own numbers count all the same."""
    table = folders / "pairs.csv"
    lines = [
        f"ref/sub-0{i}_T1w.nii.gz,good/sub-0{i}_T1w.nii.gz,{low}"
        for i, low in ((0, "low/sub-00_T1w.nii.gz"), (1, ""))
    ]
    table.write_text("\n".join(["reference,estimate,low", *lines]) + "\n")
    words = ["--csv", folders / "all.csv", "--report", folders / "group.html"]
    assert call("evaluate", "--pairs", table, *words) == 0
    rows = list(csv.DictReader((folders / "all.csv").read_text().splitlines()))
    methods = [(row["case"], row["method"]) for row in rows]
    assert methods == [
        ("sub-00_T1w", "estimate"),
        ("sub-00_T1w", "linear"),
        ("sub-00_T1w", "cubic"),
        ("sub-01_T1w", "estimate"),
    ]
    assert "(n = 1)" in capsys.readouterr().out


def test_what_degrade_and_interpolation_leave_is_compared(folders, capsys):
    """24 slices of 1 mm give 4 of 5 mm, which give 20 of 1 mm: four slices have no estimate."""
    from medsr.acquisition.simulate import interpolated

    keep(folders, 0, 1)
    for i in range(2):
        name = f"sub-0{i}_T1w.nii.gz"
        fine, low, est = (folders / role / name for role in ("ref", "low5", "est5"))
        assert call("degrade", fine, "-o", low, "--slice-spacing", 5, "--axis", 2) == 0
        thin = interpolated(read_nifti(low), read_nifti(fine), 3)
        assert thin.shape[2] == 20
        write_nifti(thin, est, {"Modality": "MR"})
    capsys.readouterr()
    pair = ["--reference", folders / "ref" / name, "--estimate", folders / "est5" / name]
    pair += ["--picture", folders / "pair.png"]
    assert call("evaluate", *pair, "--report", folders / "pair.html") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"Written: {folders}/pair.png, {folders}/pair.html." in said
    assert "Left out of the reference: the last 4 of 24 slices." in said
    words = ["--reference", folders / "ref", "--estimate", folders / "est5"]
    words += ["--csv", folders / "all.csv", "--report", folders / "group.html"]
    assert call("evaluate", *words) == 0
    assert "In 2 cases the estimates do not cover" in capsys.readouterr().out
    rows = list(csv.DictReader((folders / "all.csv").read_text().splitlines()))
    assert len(rows) == 2
    assert "has 24 x 28 x 20 voxels, the first at (0, 0, 0)" in rows[0]["remarks"]
    assert (folders / "group_cases" / "sub-01_T1w.html").exists()
    assert "the last 4 of 24 slices" in (folders / "pair.html").read_text()


def test_a_thick_scan_on_another_grid_costs_the_interpolation_alone(folders, capsys):
    name = "sub-00_T1w.nii.gz"
    thick = read_nifti(folders / "low" / name)
    moved = thick.affine.copy()
    moved[:3, 3] += 0.3
    write_nifti(replace(thick, affine=moved), folders / "low.nii.gz", {"Modality": "MR"})
    words = ["--reference", folders / "ref" / name, "--estimate", folders / "good" / name]
    assert call("evaluate", *words, "--low", folders / "low.nii.gz") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "cubic" not in said
    assert "Without interpolation for comparison: the grid of the thick-slice scan" in said
    assert "estimate: no Consistency: " in said


def keep(folders, *people):
    """Only the scans of these people."""
    for role in ("ref", "low", "good", "bad", "labels"):
        for path in (folders / role).glob("sub-*"):
            if int(path.name[4:6]) not in people:
                path.unlink()


def balls(radius):
    """A bright ball in a grey one; 16 and 2 ml or so."""
    axes = np.meshgrid(*[np.arange(40) - 19.5] * 3, indexing="ij")
    distance = np.sqrt(sum(g**2 for g in axes))
    return Volume(
        (500.0 * (distance < 17) + 500.0 * (distance < radius)).astype(np.float32),
        np.eye(4),
        modality="MR",
    )


def test_regions_of_a_segmenter_are_compared(tmp_path, capsys):
    for name, radius in {"ref": 8, "close": 8.3, "far": 10}.items():
        write_nifti(balls(radius), tmp_path / f"{name}.nii.gz", {"Modality": "MR"})
    network = write(tmp_path / "tiny", *thresholds(), ["nothing", "middle", "bright"])
    words = ["--reference", tmp_path / "ref.nii.gz", "--segmenter", network, "--names", "a", "b"]
    words += ["--estimates", tmp_path / "close.nii.gz", tmp_path / "far.nii.gz"]
    assert call("evaluate", *words, "--report", tmp_path / "page.html", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["segmenter"] == "tiny"
    scores = {name: said["estimates"][name]["scores"] for name in ("a", "b")}
    assert scores["a"]["region_volume"] < scores["b"]["region_volume"]
    assert scores["a"]["region_dice"] > scores["b"]["region_dice"]
    changes = [abs(r["change_percent"]) for r in said["regions"]["b"]]
    assert scores["b"]["region_volume"] == pytest.approx(np.mean(changes))
    assert [r["name"] for r in said["regions"]["reference"]] == ["middle", "bright"]
    page = (tmp_path / "page.html").read_text()
    assert "bright [ml]" in page
    assert call("evaluate", *words) == 0
    assert "Region volume error [%]" in capsys.readouterr().out


def test_a_segmenter_that_finds_nothing_leaves_the_other_numbers(folders, capsys):
    name = "sub-01_T1w.nii.gz"
    dark = [np.zeros((3, 3, 3, 1, 2)), np.zeros(2), np.zeros((1, 1, 1, 2, 3)), np.zeros(3)]
    layers, weights = thresholds()
    named = [(key, array) for (key, _), array in zip(weights, dark, strict=True)]
    network = write(folders / "blind", layers, named, [])
    words = ["--reference", folders / "ref" / name, "--estimate", folders / "good" / name]
    assert call("evaluate", *words, "--segmenter", network, "--json") == 0
    row = json.loads(capsys.readouterr().out)["estimates"]["estimate"]
    assert row["scores"]["psnr"] > 0
    assert "finds no region in the reference" in row["missing"]["region_dice"]


def test_a_damaged_segmenter_ends_before_any_scan_is_read(folders, capsys):
    (folders / "good" / "sub-00_T1w.nii.gz").write_bytes(b"no scan")
    words = ["--reference", folders / "ref", "--estimate", folders / "good"]
    assert call("evaluate", *words, "--segmenter", folders / "ref") == 3
    assert "model.json is missing" in capsys.readouterr().err
