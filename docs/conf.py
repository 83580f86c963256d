"""How Sphinx builds the documentation site: `make docs`.

Everything works without a network: no fonts, scripts or inventories are fetched.
"""

import os
import sys
import warnings
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS / "extensions")]
# The commands that the examples start find the package in this copy of the repository, too.
os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:1])

# An optional decoder of MONAI, which the examples do not need.
warnings.filterwarnings("ignore", message="NvImgCodecPydicomReader")

from medsr.version import __version__  # noqa: E402

project = "medsr"
author = "the medsr contributors"
copyright = "the medsr contributors"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "repository_pages",
]
exclude_patterns = ["examples/*", "extensions/*", "generated/gallery/*.ipynb"]
templates_path = ["templates"]
suppress_warnings = ["config.cache"]  # the order of the examples is a class

# Markdown as the repository shows it: headings have anchors, and nothing else is special.
myst_heading_anchors = 4

# The API reference, from docstrings in Google style.
default_role = "py:obj"
autosummary_generate = True
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_inherit_docstrings = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True

# The examples, executed on the sample data.
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "generated/gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "repository_pages.InOrder",
    "image_scrapers": ("matplotlib", "repository_pages.figure_of_an_example"),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 86_400,  # times of a busy machine mislead
    "capture_repr": (),
    "remove_config_comments": True,
}

html_theme = "furo"
html_title = f"medsr {__version__}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5f8b", "color-brand-content": "#1f5f8b"},
    "dark_css_variables": {"color-brand-primary": "#7fbfe8", "color-brand-content": "#7fbfe8"},
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
