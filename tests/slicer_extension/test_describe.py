"""The description of the module against the rules of the Slicer execution model.

The rules: https://www.slicer.org/wiki/Documentation/Nightly/Developers/SlicerExecutionModel. The
order of elements is that of CommonTK's schema. A result that the panel shows has neither flag nor
index; that is how Slicer's parser recognises it.
"""

import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from medsr.restore.options import Options, settings_of

FOLDER = Path(__file__).parents[2] / "slicer_extension"
PAGE = FOLDER / "MedsrEnhance" / "MedsrEnhance.xml"

#: Elements of the executable, in their order, before the groups of parameters.
HEAD = (
    *("category", "title", "description", "version"),
    *("documentation-url", "license", "contributor"),
)

#: Elements of a parameter, in their order.
ORDER = (
    *("name", "flag", "longflag", "index", "description", "label", "default", "channel"),
    *("constraints", "element"),
)

STEP_ORDER = ("minimum", "maximum", "step")


@pytest.fixture(scope="module")
def root():
    return ElementTree.parse(PAGE).getroot()


@pytest.fixture(scope="module")
def parameters(root):
    return [one for group in root.findall("parameters") for one in list(group)[2:]]


def test_it_is_what_the_options_say():
    spec = importlib.util.spec_from_file_location("describe", FOLDER / "describe.py")
    describe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(describe)
    written = PAGE.read_text(encoding="utf-8")
    assert written == describe.description(), "run python slicer_extension/describe.py"
    assert written.startswith("<?xml")


def test_the_executable_has_its_elements_in_order(root):
    assert root.tag == "executable"
    tags = [one.tag for one in root]
    assert tuple(tags[: len(HEAD)]) == HEAD
    assert set(tags[len(HEAD) :]) == {"parameters"}
    for group in root.findall("parameters"):
        assert [one.tag for one in group][:2] == ["label", "description"]
        assert len(group) > 2
        assert set(group.attrib) <= {"advanced"}


def test_every_parameter_follows_the_rules(parameters):
    names = [one.findtext("name") for one in parameters]
    assert len(set(names)) == len(names)
    for one in parameters:
        tags = [child.tag for child in one]
        places = [ORDER.index(tag) for tag in tags]
        assert places == sorted(places), one.findtext("name")
        assert re.fullmatch("[_a-zA-Z][_a-zA-Z0-9]*", one.findtext("name"))
        assert one.findtext("description")
        assert one.findtext("label")
        is_result = one.findtext("channel") == "output" and one.tag == "string"
        ways = [tag for tag in ("longflag", "index") if tag in tags]
        assert len(ways) == (0 if is_result else 1)
        if "longflag" in tags:
            assert one.findtext("longflag") == one.findtext("name")


def test_defaults_are_values_of_their_kind(parameters):
    for one in parameters:
        default = one.findtext("default")
        match one.tag:
            case "string-enumeration":
                assert default in [element.text for element in one.findall("element")]
            case "boolean":
                assert default == "false"
            case "double" | "integer":
                kind = float if one.tag == "double" else int
                limits = one.find("constraints")
                assert tuple(limit.tag for limit in limits) == STEP_ORDER
                low, high, _ = (kind(limit.text) for limit in limits)
                assert low <= kind(default) <= high
            case "image":
                assert one.findtext("channel") in {"input", "output"}
                assert one.attrib == {"type": "scalar", "fileExtensions": ".nii.gz"}
            case "string":
                assert default is not None
            case other:
                pytest.fail(f"{other} is not a kind of parameter that is used here")


def test_volumes_are_in_the_order_of_the_command_line(parameters):
    indexed = {
        int(one.findtext("index")): one for one in parameters if one.find("index") is not None
    }
    assert [indexed[k].findtext("channel") for k in sorted(indexed)] == ["input", "output"]
    assert sorted(indexed) == [0, 1]


def test_every_choice_is_a_value_of_the_option(parameters):
    for one in parameters:
        if one.findtext("name") in settings_of():
            for element in one.findall("element"):
                if element.text != "automatic":
                    Options(**{one.findtext("name"): element.text})


def test_the_files_of_the_extension_agree():
    entry = json.loads((FOLDER / "Medsr.json").read_text(encoding="utf-8"))
    cmake = (FOLDER / "CMakeLists.txt").read_text(encoding="utf-8")
    assert {"$schema", "category", "scm_url"} <= set(entry)
    assert entry["tier"] in range(1, 6)
    assert "project(Medsr " in cmake  # Slicer wants the name of the entry's file
    assert f'set(EXTENSION_CATEGORY "{entry["category"]}")' in cmake
    home = re.search(r'EXTENSION_HOMEPAGE "(.*)"', cmake)[1]
    assert entry["scm_url"] == f"{home}.git"
    for name in ("ICONURL", "SCREENSHOTURLS"):
        place = re.search(rf'EXTENSION_{name} "{home}/(.*)"', cmake)[1]
        assert (FOLDER.parent / place).is_file()
    icon = (FOLDER / "Medsr.png").read_bytes()
    assert icon[:8] == b"\x89PNG\r\n\x1a\n"
    assert [int.from_bytes(icon[k : k + 4], "big") for k in (16, 20)] == [128, 128]


STUB = """
set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/empty.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/empty.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/said.cmake)
macro(SlicerMacroBuildScriptedCLI)
  cmake_parse_arguments(CLI "" "NAME" "" ${ARGN})
  foreach(ending py xml)
    if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${CLI_NAME}.${ending}")
      message(FATAL_ERROR "${CLI_NAME}.${ending} is missing")
    endif()
  endforeach()
  message(STATUS "module ${CLI_NAME}")
endmacro()
"""


@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
def test_cmake_configures_it_with_a_stand_in_for_slicer(tmp_path):
    stub = tmp_path / "stub"
    stub.mkdir()
    (stub / "SlicerConfig.cmake").write_text(STUB)
    (stub / "empty.cmake").touch()
    (stub / "said.cmake").write_text('message(STATUS "package ${EXTENSION_CATEGORY}")')
    words = ["cmake", "-S", FOLDER, "-B", tmp_path / "build", f"-DSlicer_DIR={stub}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "module MedsrEnhance" in done.stdout
    assert "package Filtering" in done.stdout
