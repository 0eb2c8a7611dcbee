"""The commands of the documents, as `doc_fates.py` tells them: each story in a copy of this checkout."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from doc_fates import LONG, STORIES
from support import ROOT

sys.path[:0] = [str(ROOT / "tests" / "unit" / folder) for folder in ("discover", "llm_judge")]

from chat_server import ChatServer, say  # noqa: E402
from judging_server import KEY, serving  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.images import ImageRef

pytestmark = [pytest.mark.container, pytest.mark.rest]

#: Whatever it is given, its answer is of the wrong type: nothing is asked after that.
SHORT = (
    "def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):\n"
)
REPLY = json.dumps({"thought": "short", "name": "short", "parents": [], "code": SHORT + "    return 0.0\n"})
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".harness", "build", "shared", "__pycache__", ".*_cache")


def checkout(folder: Path) -> Path:
    """A copy of this one with the same environment."""
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def furnish(folder: Path) -> None:
    """Put there what the documents take for the reader's own."""
    shutil.copy(folder / "examples" / "dpo.py", folder / "loss.py")
    for name in ("proposals/one.py", "proposals/draft_1.py", "losses/one.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"{SHORT}    return {float(len(name))}\n", "utf-8")
    ladder = (folder / "harness" / "ladder" / "profiles" / "bandit-2026.2.toml").read_text("utf-8")
    for name, metric in (("own", "score"), ("mine", "scroe")):
        text = ladder.replace('"bandit-2026.2"', f'"{name}"').replace('metric = "score"', f'metric = "{metric}"')
        (folder / f"{name}.toml").write_text(text, "utf-8")
    for name, answer in (("a", "long answer"), ("b", "short")):
        row = json.dumps({"prompt": "Name a prime.", "answer": answer})
        (folder / f"{name}.jsonl").write_text(f"{row}\n", "utf-8")


@contextlib.contextmanager
def nobody() -> Iterator[str]:
    yield "http://127.0.0.1:8000/v1"


@contextlib.contextmanager
def judge() -> Iterator[str]:
    with serving() as server:
        yield server.url


@contextlib.contextmanager
def proposer() -> Iterator[str]:
    with ChatServer([say(REPLY)]) as server:
        yield server.url


SERVERS: dict[str, Callable[[], contextlib.AbstractContextManager[str]]] = {"a judge": judge, "a search": proposer}


@pytest.mark.parametrize("story", [pytest.param(s, marks=[pytest.mark.whole] if s in LONG else []) for s in STORIES])
def test_a_story_goes_as_told(story: str, tmp_path: Path, sandbox_image: ImageRef) -> None:
    folder = checkout(tmp_path / "checkout")
    if story != "a checkout":
        furnish(folder)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HARNESS_DATABASE", "PYTEST"))}
    environment |= {
        "CI": "true",
        "HARNESS_KEYS": str(tmp_path / "keys"),  # one story may give up a key that another would sign with
        "OPENAI_API_KEY": KEY,
        "PATH": f"{folder}/.venv/bin{os.pathsep}{os.environ['PATH']}",
        "PYTHON": "true",  # the set-up, which has been made: it would make the environment anew for another checkout
        "PYTHONPATH": str(folder),
    }
    with SERVERS.get(story, nobody)() as address:
        for step in STORIES[story]:
            words = (step.does or step.text).replace("http://127.0.0.1:8000/v1", address)
            words = words.replace("{tag}", sandbox_image.tag).replace("{digest}", sandbox_image.digest)
            done = subprocess.run(
                ["bash", "-c", words],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=600,
                check=False,
            )
            assert done.returncode == step.code, f"{words}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    for page in ("rules.md", "power.md", "separation.md") if story != "figures of containers" else ():
        assert (folder / "docs" / page).read_bytes() == (ROOT / "docs" / page).read_bytes(), page
