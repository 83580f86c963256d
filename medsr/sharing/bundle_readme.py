"""`docs/README.md` of a MONAI bundle, in the order of the model zoo's template."""

from __future__ import annotations

from medsr.sharing.shared_model import SharedModel, results_table
from medsr.version import __version__

__all__ = ["readme"]

TEXT = """\
# {name}

### **Authors**

{authors}

### **Tags**

Super-resolution, {modality}, Diffusion

## **Model Description**

The model estimates the thin slices that a thick-slice {modality} scan did not measure. It is a
conditional diffusion model of medsr: a U-Net on whole slices that contain the slice axis, in both
orientations. By default the result is the posterior mean, the image with the smallest expected
error, made consistent with the measured slices.

{description}. {use}

## **Data**

{people} subjects. The bundle contains no scan; docs/data_license.txt has the licences.
{data}
#### **Preprocessing**

None: medsr reads the scan, upsamples it and scales its intensities. A BIDS-like sidecar beside
`scan.nii.gz`, `scan.json`, may state `Modality` and `SliceThickness`.

## **Performance**

{results}

## **Additional Usage Steps**

The bundle needs medsr {version} and contains no code of its own. Enhance every `.nii.gz` of a
folder:

```
python -m monai.bundle run --config_file configs/inference.json \\
  --dataset_dir SCANS --output_dir OUT
```

The results are those of `medsr enhance`: `OUT/NAME_enhanced.nii.gz`, each with a record. Set
options of medsr as in `--options#sample True` (draw a sample) or `--options#spacing_mm 1.0`. Give
other paths, for example of DICOM folders, with `--datalist "['FOLDER']"`.

`network_def` computes the posterior mean of single slices; metadata.json describes its channels.
TorchScript, ONNX and TensorRT are not supported.

## **System Configuration**

A CPU is enough; a GPU is used where PyTorch finds one.

## **Limitations**

{limits}
"""


def readme(model: SharedModel) -> str:
    """The page that describes a bundle, from the model card."""
    card = model.card
    data = "".join(f"- {attribution}\n" for attribution in card.attributions)
    return TEXT.format(
        name=card.name,
        authors=model.authors,
        modality=card.modality,
        description=card.description,
        use=card.use,
        people=card.people,
        data=f"\n{data}" if data else "",
        results="\n".join(results_table(card)) or "The model card states no results.",
        version=__version__,
        limits="\n".join(f"- {limit}" for limit in card.limits) or card.use,
    )
