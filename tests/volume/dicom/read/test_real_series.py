"""Real scans, where they are: nine transfer syntaxes, a second reader, and every odd file."""

import re
from pathlib import Path

import numpy as np
import pydicom
import pytest

from medsr.errors import InputError, MedsrError, Refused
from medsr.training.cases import unpack_tar
from medsr.volume.dicom.dataset import parse_quietly
from medsr.volume.dicom.read.choose import list_series
from medsr.volume.dicom.read.decode_pool import decode_each
from medsr.volume.dicom.read.series import read_series
from tests.real_data import REAL_DATA, needs_real_data

pytestmark = needs_real_data

TABLE = Path(__file__).parents[4] / "docs" / "reference" / "odd-dicom.md"


def rows():
    """(path, outcome, words) of the documented table, archives' contents left out."""
    if not REAL_DATA.is_dir():
        return []
    table = re.findall(
        r"^\| (.+?) \| (loads|refused|not readable) \| (.+) \|$", TABLE.read_text(), re.M
    )
    named = [(re.sub(r"/ and each of \d+ files$", "", p).rstrip("/"), *rest) for p, *rest in table]
    return [row for row in named if (REAL_DATA / row[0]).exists()]


def decoded(files):
    """Stored numbers of each file."""
    found = {}
    with parse_quietly():
        decode_each(files, 0, found.__setitem__)
    return [found[file] for file in files]


def test_one_image_in_nine_transfer_syntaxes_has_one_set_of_pixels():
    """Written by dcm_qa_ts, read with three codecs and pydicom's own."""
    files = sorted((REAL_DATA / "robustness_dicom" / "dcm_qa_ts").glob("*.dcm"))
    assert len({pydicom.dcmread(f).file_meta.TransferSyntaxUID for f in files}) >= 6
    first, *others = decoded(files)
    assert first.shape == (1, 384, 384)
    assert (first.min(), first.max()) == (0, 2362)
    for other in others:
        np.testing.assert_array_equal(first, other)
    with pytest.raises(Refused, match="Siemens mosaic"):
        read_series(files[0])


def test_an_enhanced_file_in_five_transfer_syntaxes_has_one_set_of_pixels():
    files = sorted((REAL_DATA / "robustness_dicom" / "pydicom-data").glob("emri_small*.dcm"))
    whole = [file for file in files if "too_short" not in file.name]
    first, *others = decoded(whole)
    assert first.shape == (10, 64, 64)
    for other in others:
        np.testing.assert_array_equal(first, other)
    (cut,) = set(files) - set(whole)
    with pytest.raises(InputError, match="too_short"):
        decoded([cut])


@pytest.mark.parametrize(("path", "outcome", "words"), rows())
def test_odd_dicom_fares_as_documented(path, outcome, words):
    if outcome == "loads":
        volume = read_series(REAL_DATA / path)
        spacing = " x ".join(f"{s:.4g}" for s in volume.spacing_mm)
        assert words.startswith(f"{' x '.join(map(str, volume.shape))}; {spacing};")
    else:
        with pytest.raises(MedsrError, match=f"^{re.escape(words)}$"):
            read_series(REAL_DATA / path)


def test_every_odd_folder_is_documented():
    documented = {path for path, _, _ in rows()}
    for file in (REAL_DATA / "robustness_dicom").rglob("*"):
        if file.is_file():
            names = {str(p.relative_to(REAL_DATA)) for p in (file, file.parent)}
            assert names & documented, file


def test_every_dicom_object_is_one_of_the_known_kinds():
    summaries = list_series(REAL_DATA / "robustness_dicom")
    kinds = {summary.kind for summary in summaries}
    assert kinds == {"image", "colour", "mosaic", "other modality", "not an image"}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    def unpack(name):
        target = tmp_path_factory.mktemp("real")
        unpack_tar(REAL_DATA / name, target)
        return target

    return unpack


@pytest.mark.parametrize(
    "archive",
    [
        "ct_abdomen_cptac_pda/C3L-00189_dicom.tar.xz",
        "mri_head_sag_anon/SAG-anon_T1_dicom.tar.xz",
        None,
    ],
)
def test_pixels_of_real_scans_stand_where_the_standard_puts_them(unpacked, archive):
    """A banal second reader: one file, one pixel at a time."""
    folder = unpacked(archive) if archive else REAL_DATA / "ct_totalsegmentator_example"
    volume = read_series(folder)
    back = np.linalg.inv(volume.affine)
    rng = np.random.default_rng(0)
    files = [
        f for f in sorted(folder.rglob("*")) if f.is_file() and b"DICM" in f.read_bytes()[:132]
    ]
    assert len(files) == volume.shape[2]
    for file in files:
        header = pydicom.dcmread(file)
        stored = header.pixel_array
        cosines = np.array(header.ImageOrientationPatient, dtype=float)
        for _ in range(10):
            row, column = rng.integers(header.Rows), rng.integers(header.Columns)
            lps = (
                np.array(header.ImagePositionPatient, dtype=float)
                + cosines[:3] * float(header.PixelSpacing[1]) * column
                + cosines[3:] * float(header.PixelSpacing[0]) * row
            )
            index = back @ [-lps[0], -lps[1], lps[2], 1]
            i, j, k = np.rint(index[:3]).astype(int)
            np.testing.assert_allclose(index[:3], [i, j, k], atol=0.02)
            value = stored[row, column] * float(header.get("RescaleSlope", 1))
            value += float(header.get("RescaleIntercept", 0))
            assert volume.voxels[i, j, k] == (max(value, -1024) if volume.unit == "HU" else value)


def test_gantry_tilt_of_a_real_scan_is_refused_in_words(unpacked):
    folder = unpacked("ct_head_ge_tilt/ge_hispeed_head_dicom.tar.xz")
    with pytest.raises(Refused, match=r"gantry tilt of 18\.5 degrees"):
        read_series(folder)
