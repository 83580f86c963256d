"""What runs a MONAI bundle: the inferer and the evaluator.

`configs/inference.json` of an exported bundle names these classes and `bundle_network`, so their
names and arguments are part of every bundle that was ever exported.

    python -m monai.bundle run --config_file configs/inference.json --dataset_dir SCANS
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from monai.inferers import Inferer

from medsr.errors import InputError, MedsrWarning
from medsr.network.checkpoint import load_card, weights_digest
from medsr.restore.choices import Format
from medsr.restore.enhancer import Enhanced, Enhancer
from medsr.restore.options import options_from
from medsr.results.target import Target, check_free, check_not_the_scan
from medsr.results.write import write
from medsr.sharing.bundle_network import PosteriorMean
from medsr.volume.anatomy import check_is_anatomy
from medsr.volume.convert import as_volume
from medsr.volume.formats import is_image_file, open_scan
from medsr.volume.recognise import with_modality
from medsr.volume.sidecar import strip_suffix

__all__ = ["EnhanceEvaluator", "EnhanceInferer"]


class EnhanceInferer(Inferer):  # type: ignore[misc]
    """Enhances one whole scan as `Enhancer.enhance` does.

    Args:
        card_file: the model card.
        weights_file: the weights that the network gets; the record names their digest.
        options: fields of `medsr.Options`, for example {"sample": True}.

    Raises:
        InputError: the card cannot be read.
        UsageError: options that do not make sense.
    """

    def __init__(
        self, card_file: str, weights_file: str, options: Mapping[str, Any] | None = None
    ) -> None:
        self.card = load_card(Path(card_file))
        self.weights_file = Path(weights_file)
        self.options = options_from(dict(options or {}))

    def __call__(self, inputs: Any, network: PosteriorMean) -> Enhanced:
        """Enhance one scan.

        Args:
            inputs: a path, a `Volume`, a MONAI MetaTensor, or any other scan of
                `Enhancer.enhance`.
            network: with its weights.

        Raises:
            Refused, InputError, UsageError: as `Enhancer.enhance`.
        """
        device = next(network.parameters()).device
        digest = weights_digest(self.weights_file)
        enhancer = Enhancer(network.denoiser.eval(), self.card, device, digest)
        volume = with_modality(as_volume(inputs), self.options.modality)
        return enhancer.run(enhancer.plan(volume, self.options))


class EnhanceEvaluator:
    """Enhances the scans of a data set and writes each as `NAME_enhanced.nii.gz` with its record.

    Args:
        dataset: items with the path of a scan as "image".
        network: with its weights.
        inferer: enhances one scan.
        output_dir: folder for the results; those of an earlier run are replaced.
    """

    def __init__(
        self,
        dataset: Iterable[Mapping[str, Any]],
        network: PosteriorMean,
        inferer: EnhanceInferer,
        output_dir: str,
    ) -> None:
        self.scans = [Path(item["image"]) for item in dataset]
        self.network, self.inferer, self.output_dir = network, inferer, Path(output_dir)

    def run(self) -> list[Path]:
        """Enhance all scans; a scan that cannot be enhanced ends the run.

        Returns:
            The images that were written.

        Raises:
            InputError: there is no scan, or one cannot be read.
            Refused: a scan cannot be enhanced.
            OutputError: the folder cannot be written.
        """
        if not self.scans:
            raise InputError(
                "The bundle found no scan. Expected NIfTI files (.nii.gz) in the folder "
                "dataset_dir; give the folder with --dataset_dir."
            )
        return [self._enhance(scan) for scan in self.scans]

    def _enhance(self, source: Path) -> Path:
        stem = strip_suffix(source) if is_image_file(source) else source.name
        target = Target(self.output_dir / f"{stem}_enhanced.nii.gz", Format.NIFTI)
        check_not_the_scan(source, target.image)
        check_free(target, overwrite=True)
        with open_scan(source) as scan:
            check_is_anatomy(scan.volume.kind, scan.volume.name)
            enhanced = self.inferer(scan.volume, self.network)
            write(target, enhanced)
        for remark in enhanced.remarks:
            if remark.is_python_warning:
                warnings.warn(f"{source.name}: {remark.text}", MedsrWarning, stacklevel=2)
        return target.image
