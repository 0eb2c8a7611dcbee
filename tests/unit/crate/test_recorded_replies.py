"""What judges replied comes out of an archive by rung and by whose answers, its parts in their order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from support import ROOT

from harness.core.errors import UserError
from harness.crate.repeat import recorded_replies
from harness.ladder.ladder import load

if TYPE_CHECKING:
    from pathlib import Path

STAGE = load(str(ROOT / "examples" / "stage" / "stage.toml"))


def crate(**files: bytes) -> Any:
    return SimpleNamespace(files={f"documents/{name}": data for name, data in files.items()})


def test_the_parts_of_each_recording_are_put_together_in_their_order(tmp_path: Path) -> None:
    files = {f"judge/calls-0-candidate-{n}.jsonl": f"{n}\n".encode() for n in (10, 2, 0)}
    files |= {"judge/calls-0-baseline-0.jsonl": b"b\n", "judge/answers-0-candidate-0.jsonl": b"no\n"}
    files |= {"fine-tune/calls-0-candidate-0.jsonl": b"no\n", "judge/calls-0-..-0.jsonl": b"no\n"}
    place = recorded_replies(crate(**files), STAGE, tmp_path)
    assert place is not None
    assert place.parent == tmp_path
    found = {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*.jsonl")}
    assert found == {"judge/candidate.jsonl": b"0\n2\n10\n", "judge/baseline.jsonl": b"b\n"}


def test_where_no_rung_judges_there_is_nothing_to_replay(tmp_path: Path) -> None:
    assert recorded_replies(crate(), load("bandit"), tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    assert recorded_replies(crate(), STAGE, tmp_path) is not None, "nobody is asked anything new"


def test_a_folder_that_takes_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing can be kept"):
        recorded_replies(crate(), STAGE, tmp_path / "missing")
