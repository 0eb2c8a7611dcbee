"""Our Dockerfiles are understood, more is refused, and a stage is a function of what it is made from."""

from __future__ import annotations

import pytest

from harness.core.sources import project_root
from harness.images.inputs import VARIANTS, inputs_for
from harness.images.recipe import Part, RecipeError, read

PARTS = (
    Part("python", "/", "/"),
    Part("packages", "/opt/site-packages/", "/opt/site-packages/"),
    Part("code", "/opt/harness/", "/opt/harness/"),
)
SMALL = """\
ARG BASE_IMAGE
# a comment
FROM ${BASE_IMAGE} AS python
COPY a.txt b.txt /build/
FROM python AS packages
COPY wheelhouse/ lock.txt /build/
FROM scratch
COPY --from=python / /
COPY --from=packages /opt/ /opt/
ENV A=b \\
    C="d e"
"""
FILES = {"a.txt": b"1", "b.txt": b"1", "lock.txt": b"1", "other.txt": b"1"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_our_own_are_understood(variant: str) -> None:
    recipe = read(inputs_for(variant, project_root()).files["Dockerfile"].decode())
    assert recipe.parts == PARTS
    assert recipe.checks == (("probe",) if variant.startswith("trainer") else ())
    assert recipe.settings["User"] == "65532:65532"
    assert recipe.settings["WorkingDir"] == "/"
    assert recipe.settings["Entrypoint"][0] == "python3"
    assert "PATH=/usr/local/bin:/usr/bin:/bin" in recipe.settings["Env"]
    assert all("=" in entry and "\\" not in entry for entry in recipe.settings["Env"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_change_of_our_code_needs_no_wheel_for_its_layer(variant: str) -> None:
    inputs = inputs_for(variant, project_root())
    recipe = read(inputs.files["Dockerfile"].decode())
    assert not recipe.needs_wheels("code")
    assert recipe.needs_wheels("packages")
    code = "code/harness/core/__init__.py" if variant.startswith("trainer") else "sandbox/server.py"
    changed = {**inputs.files, code: b"# changed\n"}
    before, after = (
        {part.stage: recipe.key(part.stage, "base", files) for part in recipe.parts}
        for files in (inputs.files, changed)
    )
    assert {stage for stage in before if before[stage] != after[stage]} == {"code"}


def test_a_stage_is_known_by_all_that_it_is_made_from() -> None:
    recipe = read(SMALL)
    known = recipe.key("packages", "base", FILES)
    assert recipe.key("packages", "base", {**FILES, "other.txt": b"2"}) == known
    for name in ("a.txt", "b.txt", "lock.txt"):  # of the stage that it stands on, too
        assert recipe.key("packages", "base", {**FILES, name: b"2"}) != known
    assert recipe.key("packages", "another base", FILES) != known
    assert read(SMALL.replace("b.txt /build/", "b.txt /there/")).key("packages", "base", FILES) != known
    assert read(SMALL.replace("# a comment", "# another")).key("packages", "base", FILES) == known


def test_settings_are_what_an_engine_would_make_of_them() -> None:
    assert read(SMALL).settings == {"Env": ["A=b", "C=d e"]}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("FROM scratch\n", "FROM python\n"),
        ("FROM scratch\n", "FROM scratch AS last\n"),
        ("COPY --from=python / /", "COPY a.txt /"),
        ("COPY --from=python / /", "COPY --from=absent / /"),
        ("COPY --from=python / /", 'RUN ["python3"]'),
        ("COPY --from=python / /", "ENTRYPOINT python3"),
        ("FROM python AS packages", "FROM python"),
        ("ARG BASE_IMAGE", "RUN x"),
        (SMALL, "FROM scratch\n"),
        (SMALL, ""),
    ],
)
def test_what_is_not_understood_is_refused(old: str, new: str) -> None:
    assert old in SMALL
    with pytest.raises(RecipeError):
        read(SMALL.replace(old, new))
