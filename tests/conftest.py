"""What the tests with a container share: the engine and the image, oracles on a text, the command itself.

A machine without an engine or without the image fails these tests. Only gVisor may be missing, outside of CI.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pinned  # noqa: F401 - before anything loads numpy
import pytest
from ledger_samples import database_url, ledger, postgres  # noqa: F401 - fixtures for all who keep a ledger
from support import ROOT, Run, Sandboxes, harness_command

from harness.containers.endpoint import find_engine
from harness.containers.engine import Engine
from harness.core.errors import InfrastructureError
from harness.images import ImageRef, current
from harness.setup import gvisor

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from harness.attestation.keys import Keyring


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """What needs a package that is not installed is left out, and the summary says so: the rest is run.

    In CI it is the error that it is.
    """
    report = yield
    missing = _missing(report.call.excinfo.value) if report.failed and report.call.excinfo else ""
    if missing and not os.environ.get("CI"):
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, f"Skipped: {missing} is not installed: {_ALL_OF_THEM}")
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts a database server is for `make test-rest`: `make test` has the same on SQLite."""
    for item in items:
        given = item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
        on_a_server = any(isinstance(value, str) and value == "postgresql" for value in given)
        if on_a_server or "postgres" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.rest)


_ALL_OF_THEM = "`python3 -m harness.setup --no-engine --train` installs what the tests need, as `make test` does"


def _missing(error: BaseException | None) -> str:
    """The package of somebody else for the want of which an import failed; empty for any other error."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            name = error.name.partition(".")[0]
            ours = (ROOT / name).exists() or any((ROOT / "tests").rglob(f"{name}.py"))
            return "" if ours else name
        error = error.__cause__ or error.__context__
    return ""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Name at once what failed: of a run that is cut off nothing else is seen."""
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        why = crash.message.partition("\n")[0] if crash else str(report.longrepr).strip().rpartition("\n")[2]
        print(f"\nFAILED AT ONCE: {report.nodeid} ({report.when}): {why}", file=sys.stderr, flush=True)  # noqa: T201


@pytest.fixture(scope="session", autouse=True)
def _keys_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whatever makes or reads keys, in this process or one that it starts, leaves the user's own alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_KEYS", str(tmp_path_factory.mktemp("keys") / "keys"))
        yield


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keyring:
    """A key of the test's own, by which commands sign too."""
    from sealing_samples import keys

    monkeypatch.setenv("HARNESS_KEYS", str(tmp_path / "keys"))
    return keys(tmp_path / "keys")


@pytest.fixture(scope="session")
def sandbox_image() -> ImageRef:
    """The current image on a live engine."""
    try:
        find_engine()
        return current()
    except InfrastructureError as error:
        pytest.fail(f"tests marked `container` need the engine and the image: {error.message} ({error.remedy})")


@pytest.fixture(scope="session")
def runsc(sandbox_image: ImageRef) -> None:
    """gVisor as a runtime of the engine: set up in CI; elsewhere asked for, as it changes the engine's settings."""
    del sandbox_image
    if os.environ.get("CI"):
        gvisor.ensure()
    elif not gvisor.is_registered():
        pytest.skip(f"gVisor is not registered with this engine: `make gvisor`, or {gvisor.REMEDY}")


@pytest.fixture(autouse=True)
def _container_tests_need_the_image(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("container"):
        request.getfixturevalue("sandbox_image")


@pytest.fixture
def engine(sandbox_image: ImageRef) -> Iterator[Engine]:
    """A connection of this test's own."""
    del sandbox_image
    connection = Engine()
    yield connection
    connection.close()


@pytest.fixture
def sandboxes(engine: Engine, sandbox_image: ImageRef) -> Iterator[Sandboxes]:
    """The way to an oracle. No container is left behind, whatever happened in it."""
    made = Sandboxes(engine, sandbox_image.digest)
    yield made
    assert made.left() == []


@pytest.fixture
def harness(tmp_path: Path) -> Callable[..., Run]:
    """Call the command in a process of its own; `check` also gives its JSON report.

    Ten minutes are for what hangs: a busy machine is no fault of the command's.
    """

    def run(*arguments: object, env: dict[str, str] | None = None, cwd: Path = ROOT) -> Run:
        words = [*map(str, arguments)]
        report = tmp_path / f"report-{len(list(tmp_path.glob('report-*')))}.json"
        if words[0] == "check" and not any(w.startswith("--report") for w in words):
            words.append(f"--report=json={report}")
        done = subprocess.run(
            harness_command(*words),
            capture_output=True,
            text=True,
            timeout=600,
            env={**os.environ, "COLUMNS": "200", "CI": "true", **(env or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        found = json.loads(report.read_text("utf-8")) if report.exists() else None
        return Run(done.returncode, done.stdout, done.stderr, found)

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a candidate into this test's folder."""

    def put(text: str, name: str = "loss.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return put
