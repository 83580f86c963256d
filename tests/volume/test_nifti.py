"""NIfTI: what a file says of itself is believed or questioned, and every fault is a sentence."""

import gzip
import os
import resource

import nibabel
import numpy as np
import pytest

from medsr.errors import InputError, MedsrError, Refused, SeveralVolumes
from medsr.volume.anatomy import Kind
from medsr.volume.formats import read
from medsr.volume.nifti import read_nifti, read_nifti_header
from medsr.volume.nifti_write import write_nifti
from tests.nifti_factory import AFFINE, nifti_file, noisy_head

BOTH = pytest.mark.parametrize("reader", [read_nifti, read_nifti_header])


class TestUnits:
    @pytest.mark.parametrize("byte", [255, 7, 4, 0x80, 0x03, 0x01, 0])
    def test_an_unknown_or_unbelievable_unit_is_mm(self, tmp_path, byte):
        volume = read_nifti(nifti_file(tmp_path / "a.nii", xyzt_units=byte))
        assert volume.spacing_mm == pytest.approx((1.5, 1.5, 5))
        assert bool(volume.remarks) == (byte & 7 != 0)

    def test_a_unit_that_gives_a_believable_spacing_is_believed(self, tmp_path):
        path = nifti_file(tmp_path / "a.nii", affine=np.diag([150, 150, 500, 1.0]), xyzt_units=3)
        assert read_nifti(path).spacing_mm == pytest.approx((0.15, 0.15, 0.5))
        path = nifti_file(tmp_path / "b.nii", affine=np.diag([2e-3, 2e-3, 5e-3, 1]), xyzt_units=1)
        assert read_nifti(path).spacing_mm == pytest.approx((2, 2, 5))


class TestIntegrity:
    def packed(self, path, change):
        plain = nifti_file(path.with_name("plain.nii")).read_bytes()
        path.write_bytes(change(gzip.compress(plain, 0, mtime=0)))
        return path

    def test_a_wrong_checksum_is_refused(self, tmp_path):
        def flip(content):
            content = bytearray(content)
            content[len(content) // 2] ^= 0x55
            return bytes(content)

        with pytest.raises(InputError, match="gzip checksum"):
            read_nifti(self.packed(tmp_path / "a.nii.gz", flip))

    @pytest.mark.parametrize("lost", [4, 8, 9, 500])
    def test_a_cut_stream_is_refused(self, tmp_path, lost):
        with pytest.raises(InputError, match="truncated"):
            read_nifti(self.packed(tmp_path / "a.nii.gz", lambda content: content[:-lost]))

    @pytest.mark.parametrize("more", [b"garbage!", b"garbage!" * 9])
    def test_what_follows_the_stream_is_said(self, tmp_path, more):
        with pytest.raises(InputError, match="other bytes follow"):
            read_nifti(self.packed(tmp_path / "a.nii.gz", lambda content: content + more))

    def test_zeros_after_the_stream_and_several_members_are_fine(self, tmp_path):
        path = self.packed(tmp_path / "a.nii.gz", lambda content: content + bytes(512))
        whole = read_nifti(path).voxels
        plain = gzip.decompress(path.read_bytes())
        path.write_bytes(gzip.compress(plain[:1000]) + gzip.compress(plain[1000:]))
        assert (read_nifti(path).voxels == whole).all()

    def test_the_content_decides_what_is_gzip(self, tmp_path):
        plain = nifti_file(tmp_path / "plain.nii").read_bytes()
        (tmp_path / "packed.nii").write_bytes(gzip.compress(plain))
        (tmp_path / "unpacked.nii.gz").write_bytes(plain)
        for name in ("packed.nii", "unpacked.nii.gz"):
            assert read_nifti(tmp_path / name).shape == (16, 14, 6)

    @BOTH
    def test_a_header_that_announces_too_much_takes_no_memory(self, tmp_path, reader):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        path = nifti_file(tmp_path / "a.nii", dim=[3, 1200, 1200, 1200, 1, 1, 1, 1])
        with pytest.raises(InputError, match="1200 x 1200 x 1200"):
            reader(path)
        packed = tmp_path / "a.nii.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        with pytest.raises(InputError):
            reader(packed)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB

    @BOTH
    def test_slices_that_nobody_announced_are_refused(self, tmp_path, reader):
        values = noisy_head((48, 48, 12))
        path = nifti_file(tmp_path / "a.nii", values, dim=[3, 48, 48, 10, 1, 1, 1, 1])
        with pytest.raises(InputError, match="longer than its header declares"):
            reader(path)

    def test_padding_of_a_block_after_the_voxels_is_fine(self, tmp_path):
        path = nifti_file(tmp_path / "a.nii")
        path.write_bytes(path.read_bytes() + bytes(512))
        assert read_nifti(path).shape == (16, 14, 6)

    @BOTH
    @pytest.mark.parametrize(
        "fields",
        [
            {"dim": [3, 0, 14, 6, 1, 1, 1, 1]},
            {"dim": [3, -16, 14, 6, 1, 1, 1, 1]},
            {"dim": [9, 16, 14, 6, 1, 1, 1, 1]},
            {"bitpix": 8},
            {"datatype": 1234},
            {"vox_offset": 100},
            {"vox_offset": 352.5},
            {"vox_offset": np.nan},
            {"vox_offset": 1e9},
            {"scl_slope": np.inf},
            {"scl_slope": 1e33},
            {"scl_slope": 1, "scl_inter": np.nan},
            {"scl_slope": 1, "scl_inter": 1e30},
            {"magic": b"ni1"},
            {"magic": b""},
            {"sizeof_hdr": 347},
        ],
        ids=str,
    )
    def test_a_header_that_contradicts_itself_is_a_sentence(self, tmp_path, reader, fields):
        with pytest.raises(InputError, match=r"^a\.nii: "):
            reader(nifti_file(tmp_path / "a.nii", **fields))

    def test_an_extension_into_the_voxels_is_refused(self, tmp_path):
        path = nifti_file(tmp_path / "a.nii")
        content = bytearray(path.read_bytes())
        content[348:360] = b"\1\0\0\0" + (4096).to_bytes(4, "little") + (6).to_bytes(4, "little")
        header = nibabel.Nifti1Header(bytes(content[:348]), check=False)
        header["vox_offset"] = 384
        path.write_bytes(header.binaryblock + bytes(content[348:360]) + bytes(24) + content[352:])
        with pytest.raises(InputError, match="extension"):
            read_nifti(path)

    def test_no_slope_is_a_slope_of_one(self, tmp_path):
        for slope in (0, np.nan, 1):
            path = nifti_file(tmp_path / "a.nii", scl_slope=slope, scl_inter=0)
            assert read_nifti(path).voxels.max() == np.floor(noisy_head().max())


class TestFilesThatAreNone:
    @BOTH
    def test_pipes_are_not_opened(self, tmp_path, reader):
        os.mkfifo(tmp_path / "a.nii")
        with pytest.raises(InputError, match="pipe"):
            reader(tmp_path / "a.nii")

    @pytest.mark.parametrize("door", [read_nifti, read_nifti_header, read])
    def test_folders_loops_and_links_to_nothing(self, tmp_path, door):
        (tmp_path / "folder.nii").mkdir()
        (tmp_path / "loop.nii").symlink_to("loop.nii")
        (tmp_path / "annexed.nii.gz").symlink_to(".git/annex/objects/x")
        for name, words in (
            ("folder.nii", "is a folder"),
            ("loop.nii", "leads back"),
            ("annexed.nii.gz", "not here"),
            ("nothing.nii", "no such file"),
        ):
            with pytest.raises(InputError, match=words):
                door(tmp_path / name)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "empty"),
            (b"/annex/objects/MD5E-s2--0.nii.gz\n", "pointer"),
            (b"version https://git-lfs.github.com/spec/v1\noid", "pointer"),
            (b"\xfd7zXZ\0" + bytes(99), "xz"),
            (b"\x28\xb5\x2f\xfd" + bytes(99), "zstd"),
            (b"BZh9" + bytes(99), "bzip2"),
            (bytes(128) + b"DICM" + bytes(300), "DICOM"),
            (b"\x1f\x8b" + bytes(99), "gzip|damaged"),
            (b"nonsense" * 99, "begin"),
        ],
    )
    def test_other_formats_are_named(self, tmp_path, content, words):
        (tmp_path / "a.nii.gz").write_bytes(content)
        with pytest.raises(InputError, match=words):
            read_nifti(tmp_path / "a.nii.gz")

    def test_any_change_of_a_byte_of_the_header_is_a_volume_or_a_sentence(self, tmp_path):
        path = nifti_file(tmp_path / "a.nii")
        whole, random = path.read_bytes(), np.random.default_rng(4)
        for _ in range(400):
            content = bytearray(whole)
            for place in random.integers(0, 352, random.integers(1, 4)):
                content[place] = random.choice([0, 1, 0x7F, 0x80, 0xFF, random.integers(256)])
            path.write_bytes(content)
            ends = []
            for reader in (read_nifti_header, read_nifti):
                try:
                    reader(path)
                    ends.append(None)
                except MedsrError as fault:
                    ends.append(type(fault))
            if ends[0] is not None:
                assert ends[0] == ends[1]  # the plan refuses what the reader refuses


class TestWhatItHolds:
    @BOTH
    def test_cifti_colour_and_complex_are_refused(self, tmp_path, reader):
        with pytest.raises(Refused, match="CIFTI"):
            reader(nifti_file(tmp_path / "a.nii", intent_code=3006))
        colours = np.zeros((8, 8, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
        nibabel.save(nibabel.Nifti1Image(colours, AFFINE), tmp_path / "b.nii")
        nibabel.save(nibabel.Nifti1Image(np.ones((8, 8, 4), "c8"), AFFINE), tmp_path / "c.nii")
        with pytest.raises(Refused, match="colour"):
            reader(tmp_path / "b.nii")
        with pytest.raises(Refused, match="magnitude"):
            reader(tmp_path / "c.nii")
        with pytest.raises(SeveralVolumes):
            reader(nifti_file(tmp_path / "d.nii", np.ones((8, 8, 4, 3))))

    @BOTH
    def test_the_intent_and_the_name_say_what_it_shows(self, tmp_path, reader):
        assert reader(nifti_file(tmp_path / "a.nii")).kind is None
        assert reader(nifti_file(tmp_path / "a.nii", intent_code=1002)).kind == Kind.LABELS
        assert reader(nifti_file(tmp_path / "a.nii", intent_code=1003)).kind == Kind.LABELS
        assert reader(nifti_file(tmp_path / "a.nii", intent_code=3)).kind == Kind.STATISTIC
        for code in (1007, 1010, 2006, 2018):
            assert reader(nifti_file(tmp_path / "a.nii", intent_code=code)).kind == Kind.VECTORS
        for code in (0, 1011, 2001):
            assert reader(nifti_file(tmp_path / "a.nii", intent_code=code)).kind is None
        assert reader(nifti_file(tmp_path / "sub-01_T2map.nii")).kind == Kind.MAP

    @BOTH
    def test_a_mask_is_known_by_its_voxels(self, tmp_path, reader):
        mask = np.zeros((48, 48, 12))
        mask[10:30, 10:30, 3:9] = 1
        assert reader(nifti_file(tmp_path / "a.nii.gz", mask, dtype=np.uint8)).kind == Kind.MASK


class TestPlace:
    @pytest.mark.parametrize("code", [1, 2, 3, 4])
    def test_codes_come_back(self, tmp_path, code):
        volume = read_nifti(nifti_file(tmp_path / "a.nii", sform=code, qform=code))
        write_nifti(volume, tmp_path / "b.nii.gz")
        again = nibabel.load(tmp_path / "b.nii.gz")
        assert (int(again.header["sform_code"]), int(again.header["qform_code"])) == (code, code)
        assert np.allclose(again.affine, AFFINE)

    def test_no_place_stays_no_place_and_keeps_its_spacing(self, tmp_path):
        volume = read_nifti(nifti_file(tmp_path / "a.nii", sform_code=0, qform_code=0))
        write_nifti(volume, tmp_path / "b.nii")
        again = read_nifti(tmp_path / "b.nii")
        assert again.space == (0, 0)
        assert again.spacing_mm == pytest.approx((1.5, 1.5, 5))
        assert np.allclose(again.affine, volume.affine)

    def test_a_qform_alone_stays_alone(self, tmp_path):
        volume = read_nifti(nifti_file(tmp_path / "a.nii", sform_code=0, qform_code=1))
        assert volume.space == (0, 1)
        assert np.allclose(volume.affine, AFFINE)

    def test_two_forms_that_differ_are_remarked_and_only_the_first_is_written(self, tmp_path):
        path = nifti_file(tmp_path / "a.nii", sform=4, qform=1)
        image = nibabel.load(path)
        moved = AFFINE.copy()
        moved[0, 3] += 40
        image.set_qform(moved, 1)
        nibabel.save(image, tmp_path / "b.nii")
        volume = read_nifti(tmp_path / "b.nii")
        assert np.allclose(volume.affine, AFFINE)
        assert volume.space == (4, 0)
        assert "sform" in volume.remarks[0].text

    @BOTH
    def test_ten_metres_away_is_not_believed(self, tmp_path, reader):
        far = AFFINE.copy()
        far[1, 3] = 1e5
        with pytest.raises(Refused, match="away"):
            reader(nifti_file(tmp_path / "a.nii", affine=far))


class TestPadding:
    @pytest.mark.parametrize("value", [-3024, -2000, -32768])
    @pytest.mark.parametrize("known", [True, False])
    def test_ct_padding_is_air(self, tmp_path, value, known):
        values = noisy_head() - 400
        values[:4] = -1000 + np.random.default_rng(0).normal(0, 10, values[:4].shape)
        values[:2] = value
        path = nifti_file(tmp_path / "a.nii", values)
        if known:
            (tmp_path / "a.json").write_text('{"Modality": "CT"}')
        volume = read_nifti(path)
        assert (volume.voxels[:2] == -1024).all()
        assert volume.voxels.min() == -1024
        assert volume.padding is not None
        assert volume.padding.value == value

    def test_mr_padding_is_zero_and_a_signed_image_is_left_alone(self, tmp_path):
        values = noisy_head()
        values[-2:] = -32768
        volume = read_nifti(nifti_file(tmp_path / "a.nii", values))
        assert (volume.voxels[-2:] == 0).all()
        write_nifti(volume, tmp_path / "b.nii")
        assert nibabel.load(tmp_path / "b.nii").get_fdata().min() == 0
        signed = read_nifti(nifti_file(tmp_path / "c.nii", noisy_head() - 600))
        assert signed.padding is None


class TestValues:
    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("value", [1e13, -1e30, 3e38])
    def test_values_of_no_scanner_are_refused_without_a_warning(self, tmp_path, value):
        values = noisy_head()
        values[0, 0, 0] = value
        with pytest.raises(Refused, match="plausible"):
            read_nifti(nifti_file(tmp_path / "a.nii", values, dtype=np.float32))

    @pytest.mark.filterwarnings("error")
    def test_numbers_that_are_none_are_counted(self, tmp_path):
        values = noisy_head()
        values[0, 0, :2] = np.nan, np.inf
        with pytest.raises(Refused, match="2 of 1344"):
            read_nifti(nifti_file(tmp_path / "a.nii", values, dtype=np.float32))

    @pytest.mark.parametrize("thickness", [1e9, 0.01, 60])
    def test_a_thickness_far_from_the_spacing_is_not_believed(self, tmp_path, thickness):
        (tmp_path / "a.json").write_text(f'{{"SliceThickness": {thickness}}}')
        volume = read_nifti(nifti_file(tmp_path / "a.nii"))
        assert volume.slice_thickness_mm is None
        assert "thickness" in volume.remarks[0].text


def test_a_single_slice_is_told_to_come_with_the_others(tmp_path):
    path = nifti_file(tmp_path / "a.nii", np.ones((9, 8)))
    with pytest.raises(Refused, match=r"2 axes .* Give the whole scan") as fault:
        read_nifti(path)
    assert "4-D" not in str(fault.value)
