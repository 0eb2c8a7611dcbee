"""The closed set of formats, and the option that chooses one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from report_samples import report

from harness.core.errors import UserError
from harness.core.result import CheckReport
from harness.report import Format, parse_report_option, write


@pytest.mark.parametrize("format_", list(Format))
def test_every_format_is_written_and_ends_in_one_newline(format_):
    text = write(report(), format_)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@pytest.mark.parametrize("format_", list(Format))
def test_every_format_is_the_same_twice(format_):
    assert write(report(), format_) == write(report(), format_)


@pytest.mark.parametrize("format_", list(Format))
def test_a_report_without_results_is_no_crash(format_):
    write(CheckReport("2026.1", 0, ()), format_)


def test_a_format_unknown_to_write_is_an_error():
    unknown: Any = "yaml"
    with pytest.raises(KeyError):
        write(report(), unknown)


def test_the_option_gives_format_and_path(tmp_path):
    assert parse_report_option(f"json={tmp_path}/a=b.json") == (Format.JSON, tmp_path / "a=b.json")
    assert parse_report_option("sarif=-") == (Format.SARIF, Path("-"))


@pytest.mark.parametrize(
    ("option", "says", "remedy"),
    [
        ("jsn=a", "'jsn' is not a report format", "Did you mean json?"),
        ("JSON=a", "'JSON' is not a report format", "Did you mean json?"),
        ("", "'' is not a report format", "The formats are text, json"),
        ("json", "names no file", "--report json=FILE"),
        ("json=", "names no file", "--report json=FILE"),
        ("json=a\0b", "names no file", "--report json=FILE"),
        ("json=no/such/folder/a.json", "there is no folder no/such/folder", "Create it"),
    ],
)
def test_a_wrong_option_says_what_to_write(option, says, remedy):
    with pytest.raises(UserError, match=says) as caught:
        parse_report_option(option)
    assert remedy in caught.value.remedy
    assert caught.value.exit_code == 2


def test_a_folder_is_no_report_file(tmp_path):
    with pytest.raises(UserError, match="not a regular file"):
        parse_report_option(f"json={tmp_path}")


def test_writing_text_and_json_loads_neither_matplotlib_nor_hypothesis():
    code = (
        "import sys; from report_samples import report, result; from harness.report import Format, write;"
        "[write(report(result()), f) for f in Format if f is not Format.HTML];"
        "sys.exit(any(m in sys.modules for m in ('matplotlib', 'hypothesis', 'torch')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        env={"PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[3]}"},
    )
    assert done.returncode == 0
