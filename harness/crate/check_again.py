"""Judge a candidate again as a record of a verdict tells that it was judged, and hold the two against each other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harness.attestation.statement import read
from harness.checks.checker import Checker
from harness.checks.options import DEFAULT_RUNTIME, Options
from harness.checks.static import screen_result, screened_text
from harness.core.errors import UserError
from harness.core.profiles import load, names
from harness.core.result import CheckReport
from harness.crate.compare import Difference, differences
from harness.ladder.verdict_record import verdict_statement
from harness.report.json_report import NOT_COMPARED, write_json

if TYPE_CHECKING:
    from harness.attestation.statement import NoVerdictStatement, VerdictStatement
    from harness.core.candidate import Candidate


def check_again(
    then: VerdictStatement | NoVerdictStatement, candidate: Candidate, report: Any = None, *, gpu: str = "none"
) -> list[Difference]:
    """Where the verdict on a candidate differs from its record; `report` is its result in the JSON report of then.

    Raises UserError for a record that cannot be followed here, InfrastructureError where nothing can be judged.
    """
    said = then.predicate
    image = said.annotations("image")
    told, name = said.annotations("circumstances"), str(said.annotations("profile").get("name"))
    if name not in names():
        raise UserError(f"this version has no profile {name!r:.60}", remedy="use the version that the record names")
    seed, runtime = said.annotations("questions").get("seed"), str(told.get("runtime") or DEFAULT_RUNTIME)
    options = Options(
        profile=name,
        entry=str(told.get("entry") or "") or None,
        seed=seed if isinstance(seed, int) else 0,
        gpu=gpu,
        runtime=None if runtime == DEFAULT_RUNTIME else runtime,
        screen=told.get("screen") != "off",
        image=str(image.get("tag") or "") or None if image.get("own") is True else None,
    )
    if said.digest("image") or options.image:
        with Checker.open(options) as checker:
            result = checker.check(candidate)
    else:
        result = screen_result(screened_text(candidate, load(name), options))
    whole = CheckReport(name, options.seed, (result,))
    now = read(verdict_statement(whole, result, options))
    return differences(then, now, (without_place(report), without_place(json.loads(write_json(whole))["results"][0])))


def without_place(result: Any) -> Any:
    """A result of a JSON report without what is not compared; None stays None."""
    return None if result is None else {name: value for name, value in result.items() if name not in NOT_COMPARED}
