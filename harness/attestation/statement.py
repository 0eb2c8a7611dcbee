"""Statements: what a record says, of which files, in the form of in-toto's Statement v1.

A verdict is in-toto's own `test-result`, so that other tools read it; what that has no word for is a predicate of ours,
whose JSON Schema ships in `schema/record-v1.json` (`harness schema record`). What was used, and under what
circumstances, stands in `configuration` as resource descriptors, in all of them alike.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import STATEMENT_TYPE_URI
from in_toto_attestation.v1.statement import Statement as InToto
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from harness.attestation import times
from harness.core import text as sanitize

if TYPE_CHECKING:
    from datetime import datetime

    from harness.core.verdict import Json

TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
NO_VERDICT = "urn:harness:no-verdict:v1"
RUNG_RESULT = "urn:harness:rung-result:v1"
GATE_DECISION = "urn:harness:gate-decision:v1"
PROMOTION = "urn:harness:promotion:v1"
LEADERBOARD = "urn:harness:leaderboard:v1"
LEDGER_HEAD = "urn:harness:ledger-head:v1"
ARCHIVE = "urn:harness:archive:v1"
DISCOVERY = "urn:harness:discovery:v1"
DISCOVERY_ARCHIVE = "urn:harness:discovery-archive:v1"
JUDGEMENT = "urn:harness:judgement:v1"
NEXT_KEY = "urn:harness:next-key:v1"


def _seed(text: str) -> str:
    if int(text) >= 2**63:
        raise ValueError("no ledger keeps a seed of 2^63 or more")
    return text


#: Spelt in one way only: two spellings of one seed would be two seeds to some, and one to others.
_Seed = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,18})$"), AfterValidator(_seed)]
#: JSON has no word for some numbers.
_Number = float | Literal["nan", "inf", "-inf"]
_Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class NoStatementError(Exception):
    """It is no statement of any kind that is known here. The message says where and why."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DigestModel(_Model):
    """The digest of a file's bytes, or of several things' in a way that the documentation tells."""

    sha256: _Hex


class SubjectModel(_Model):
    """What a record is about."""

    name: str
    digest: DigestModel


class DescriptorModel(_Model):
    """A thing that was used (in-toto's ResourceDescriptor), by its digest where it has one."""

    name: str = Field(min_length=1)
    digest: DigestModel | None = None
    mediaType: str | None = None  # noqa: N815 - as in-toto spells it
    annotations: dict[str, JsonValue] | None = None


#: What the configurations of a verdict, a rung's result, a discovery and a judgement consist of, in this order.
OF_VERDICT = ("harness", "profile", "questions", "image", "lock", "report", "findings", "circumstances")
OF_RUNG = ("harness", "profile", "ladder", "evaluation", "image", "trainer", "circumstances")
OF_DISCOVERY = ("harness", "profile", "ladder", "plan", "prompts", "replies", "circumstances")
OF_JUDGEMENT = ("harness", "judge", "prompts", "replies", "recording", "circumstances")


def _time(text: str) -> str:
    times.read(text)
    return text


_Time = Annotated[str, AfterValidator(_time)]


class _Timed(_Model):
    """What is no longer than its own words: when it was written, and for whose word."""

    time: _Time
    nonce: str

    @property
    def told(self) -> tuple[str, str]:
        """When it says that it was made, and the word that it was made for."""
        return self.time, self.nonce


class _Told(_Model):
    time: _Time
    nonce: str


class Configured(_Model):
    """What tells by what it was made, part by part."""

    PARTS: ClassVar[tuple[str, ...]] = ()
    configuration: list[DescriptorModel] = Field(description="What was used, each once, in the order of this kind.")

    @field_validator("configuration")
    @classmethod
    def _each_once(cls, parts: list[DescriptorModel]) -> list[DescriptorModel]:
        if tuple(part.name for part in parts) != cls.PARTS:
            raise ValueError(f"a configuration of this kind has the parts {', '.join(cls.PARTS)}")
        told = parts[-1].annotations or {}
        _Told.model_validate({name: told.get(name) for name in ("time", "nonce")})
        return parts

    def part(self, name: str) -> DescriptorModel:
        """One thing that was used."""
        return next(part for part in self.configuration if part.name == name)

    def digest(self, name: str) -> str:
        """SHA-256 (hex) of one thing that was used; empty where it has none."""
        digest = self.part(name).digest
        return "" if digest is None else digest.sha256

    def annotations(self, name: str) -> dict[str, JsonValue]:
        """What is said of one thing that was used."""
        return self.part(name).annotations or {}

    @property
    def told(self) -> tuple[str, str]:
        """When it says that it was made, and the word that it was made for."""
        told = self.annotations("circumstances")
        return str(told["time"]), str(told["nonce"])


class VerdictPredicate(Configured):
    """A verdict: in-toto's test-result, whose tests are the rules of the profile by their ids."""

    PARTS: ClassVar[tuple[str, ...]] = OF_VERDICT
    result: Literal["PASSED", "WARNED", "FAILED"]
    passedTests: list[str]  # noqa: N815 - as in-toto spells it
    warnedTests: list[str]  # noqa: N815 - as above
    failedTests: list[str]  # noqa: N815 - as above


class NoVerdictPredicate(Configured):
    """That nothing was judged, or nothing could be decided: never a pass."""

    PARTS: ClassVar[tuple[str, ...]] = OF_VERDICT
    verdict: Literal["undecided", "screened"]
    reason: str


_Below = Annotated[
    _Hex | Literal[""], Field(description="SHA-256 of the promotion from the rung below; empty at the first.")
]


class RungModel(_Model):
    """A rung of a ladder; `position` counts from 0, and `ladder` is the SHA-256 of the ladder's file."""

    name: str
    kind: str
    position: int = Field(ge=0)
    ladder: _Hex


class RungResultPredicate(Configured):
    """What a rung with seeds came to, before anybody decided by it."""

    PARTS: ClassVar[tuple[str, ...]] = OF_RUNG
    rung: RungModel
    seeds: dict[_Seed, dict[str, _Number]] = Field(description="By seed its metrics; nan, inf and -inf are words.")
    documents: dict[str, _Hex] = Field(description="What it left: by name the SHA-256 of its bytes.")


class GateDecisionPredicate(_Timed):
    """What the gate of a rung said, and by which records."""

    rung: RungModel
    decision: Literal["promote", "reject"]
    reason: str
    detail: dict[str, JsonValue]
    result: _Hex = Field(description="SHA-256 of the record that it decided by: a verdict or a rung's result.")
    previous: _Below


class PromotionPredicate(_Timed):
    """That a candidate passed a rung, and all below it."""

    rung: RungModel
    evaluation: _Hex = Field(description="Digest of what decides about the outcome besides the candidate.")
    decision: _Hex = Field(description="SHA-256 of the record of the gate's decision.")
    previous: _Below


class PlaceModel(_Model):
    """A place on a leaderboard; the interval is that of the mean over seeds, and nan, inf and -inf are words."""

    rank: int = Field(ge=1)
    candidate: _Hex
    run: int
    rung: str
    metric: str
    mean: _Number
    low: _Number
    high: _Number
    seeds: int = Field(ge=0)
    record: _Hex | Literal[""] = Field(description="SHA-256 of the last record of the run; empty where it has none.")


class LeaderboardPredicate(_Timed):
    """Who was ahead on a ladder when this was made, by one installation's ledger."""

    ladder: _Hex = Field(description="SHA-256 of the ladder's file.")
    name: str
    harness: str = Field(description="The version that ranked.")
    places: list[PlaceModel] = Field(min_length=1)


class LedgerHeadPredicate(_Timed):
    """How far a ledger's chain of events was: its subject is the newest link."""

    event: int = Field(ge=1, description="The number of the newest event.")


class ArchivePredicate(_Timed):
    """That an archive has these files and no others; its subjects are all of them but the one that this stands in."""

    candidate: _Hex
    ladder: _Hex
    run: int
    state: str


class FoundModel(_Model):
    """A loss that a discovery measured; `record` is the last one of the run that answers for it."""

    name: str
    candidate: _Hex
    generation: int = Field(ge=-1, description="-1 for the losses that it began with.")
    record: _Hex | Literal[""] = Field(description="SHA-256 of a record; empty where that run has none.")


class DiscoveryPredicate(Configured):
    """What a conversation with a proposer came to: its subjects are the journal and what follows from it."""

    PARTS: ClassVar[tuple[str, ...]] = OF_DISCOVERY
    ended: str = Field(description="Why it came to its end.")
    archive: _Hex = Field(description="SHA-256 of the losses that were measured, with their figures.")
    duel: _Hex | Literal[""] = Field(description="SHA-256 of the figures of the duel at its end, where there was one.")
    found: list[FoundModel]


class DiscoveryArchivePredicate(_Timed):
    """That an archive has these files and no others; its subjects are all of them but the one that this stands in."""

    ladder: _Hex
    discovery: _Hex = Field(description="SHA-256 of the record of the discovery.")


class JudgementPredicate(Configured):
    """What a language model thought of answers: its subjects are the files that it was shown."""

    PARTS: ClassVar[tuple[str, ...]] = OF_JUDGEMENT
    kind: Literal["pairwise", "single"]
    result: dict[str, JsonValue] = Field(description="nan, inf and -inf are words.")


class NextKeyPredicate(_Timed):
    """The word of a key that is retired now on the key that comes after it."""

    public: str = Field(description="The next public key (PEM).")


class _Statement(_Model):
    type_: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: list[SubjectModel] = Field(min_length=1)


class VerdictStatement(_Statement):
    """The verdict on one candidate."""

    predicateType: Literal["https://in-toto.io/attestation/test-result/v0.1"]  # noqa: N815 - as in-toto spells it
    predicate: VerdictPredicate

    @property
    def headline(self) -> str:
        """In a few words what it says; untrusted where a name is in it."""
        return self.predicate.result


class NoVerdictStatement(_Statement):
    """A candidate of which nothing was decided."""

    predicateType: Literal["urn:harness:no-verdict:v1"]  # noqa: N815 - as above
    predicate: NoVerdictPredicate

    @property
    def headline(self) -> str:
        """In a few words what it says; untrusted where a name is in it."""
        return self.predicate.verdict.upper()


class RungResultStatement(_Statement):
    """What one candidate came to at a rung with seeds; the weights that were trained are subjects too."""

    predicateType: Literal["urn:harness:rung-result:v1"]  # noqa: N815 - as above
    predicate: RungResultPredicate

    @property
    def headline(self) -> str:
        """In a few words what it says; untrusted where a name is in it."""
        return f"result of the rung {self.predicate.rung.name}"


class GateDecisionStatement(_Statement):
    """The decision of a gate about one candidate."""

    predicateType: Literal["urn:harness:gate-decision:v1"]  # noqa: N815 - as above
    predicate: GateDecisionPredicate

    @property
    def headline(self) -> str:
        """In a few words what it says; untrusted where a name is in it."""
        return f"the gate of {self.predicate.rung.name}: {self.predicate.decision}"


class PromotionStatement(_Statement):
    """The promotion of one candidate."""

    predicateType: Literal["urn:harness:promotion:v1"]  # noqa: N815 - as above
    predicate: PromotionPredicate

    @property
    def headline(self) -> str:
        """In a few words what it says; untrusted where a name is in it."""
        return f"PROMOTED from the rung {self.predicate.rung.name}"


class LeaderboardStatement(_Statement):
    """A leaderboard, about all candidates on it."""

    predicateType: Literal["urn:harness:leaderboard:v1"]  # noqa: N815 - as above
    predicate: LeaderboardPredicate

    @property
    def headline(self) -> str:
        """In a few words what it says; untrusted where a name is in it."""
        return f"leaderboard of {self.predicate.name} ({len(self.predicate.places)} places), first"


class LedgerHeadStatement(_Statement):
    """The newest link of a ledger's chain of events."""

    predicateType: Literal["urn:harness:ledger-head:v1"]  # noqa: N815 - as above
    predicate: LedgerHeadPredicate

    @property
    def headline(self) -> str:
        """In a few words what it says."""
        return f"head of a ledger at event {self.predicate.event}"


class ArchiveStatement(_Statement):
    """The archive of one run."""

    predicateType: Literal["urn:harness:archive:v1"]  # noqa: N815 - as above
    predicate: ArchivePredicate

    @property
    def headline(self) -> str:
        """In a few words what it says; untrusted where a name is in it."""
        return f"archive of a run that is {self.predicate.state}, {len(self.subject)} files, first"


class DiscoveryStatement(_Statement):
    """A discovery, about its journal and what it left."""

    predicateType: Literal["urn:harness:discovery:v1"]  # noqa: N815 - as above
    predicate: DiscoveryPredicate

    @property
    def headline(self) -> str:
        """In a few words what it says; untrusted where a name is in it."""
        return f"discovery of {len(self.predicate.found)} losses"


class DiscoveryArchiveStatement(_Statement):
    """The archive of one discovery."""

    predicateType: Literal["urn:harness:discovery-archive:v1"]  # noqa: N815 - as above
    predicate: DiscoveryArchivePredicate

    @property
    def headline(self) -> str:
        """In a few words what it says; untrusted where a name is in it."""
        return f"archive of a discovery, {len(self.subject)} files, first"


class JudgementStatement(_Statement):
    """A judgement of answers."""

    predicateType: Literal["urn:harness:judgement:v1"]  # noqa: N815 - as above
    predicate: JudgementPredicate

    @property
    def headline(self) -> str:
        """In a few words what it says; untrusted where a name is in it."""
        return f"{self.predicate.kind} judgement by {self.predicate.annotations('judge').get('model')}"


class NextKeyStatement(_Statement):
    """A key, by the key before it."""

    predicateType: Literal["urn:harness:next-key:v1"]  # noqa: N815 - as above
    predicate: NextKeyPredicate

    @property
    def headline(self) -> str:
        """In a few words what it says; untrusted where a name is in it."""
        return "the next key"


Statement: TypeAlias = (
    VerdictStatement
    | NoVerdictStatement
    | RungResultStatement
    | GateDecisionStatement
    | PromotionStatement
    | LeaderboardStatement
    | LedgerHeadStatement
    | ArchiveStatement
    | DiscoveryStatement
    | DiscoveryArchiveStatement
    | JudgementStatement
    | NextKeyStatement
)
_ADAPTER: TypeAdapter[Any] = TypeAdapter(Annotated[Statement, Field(discriminator="predicateType")])


def statement(kind: str, subject: dict[str, str], predicate: dict[str, Json]) -> dict[str, Json]:
    """A statement of a kind about files, digests by name. Raises NoStatementError where it is not as it should be."""
    about: list[Json] = [{"name": name, "digest": {"sha256": digest}} for name, digest in subject.items()]
    whole: dict[str, Json] = {
        "_type": STATEMENT_TYPE_URI,
        "subject": about,
        "predicateType": kind,
        "predicate": predicate,
    }
    read(whole)
    return whole


def read(document: object) -> Statement:
    """A statement as its kind has it, by in-toto's own form and by ours. Raises NoStatementError."""
    try:
        whole = json_format.ParseDict(document, statement_pb2.Statement())
        InToto.copy_from_pb(whole).validate()
        known: Statement = _ADAPTER.validate_python(document)
        if isinstance(known, VerdictStatement):
            said = json_format.ParseDict(known.predicate.model_dump(exclude_none=True), test_result_pb2.TestResult())
            for part in said.configuration:
                ResourceDescriptor.copy_from_pb(part).validate()
    except ValidationError as error:
        first = error.errors()[0]
        where = sanitize.path(".".join(str(part) for part in first["loc"]))  # a stranger's words may be in both
        told = sanitize.path(first["msg"])
        raise NoStatementError(f"the statement in it does not fit its form: {where}: {told}") from error
    except Exception as error:  # whatever those libraries say of what a stranger wrote: SystemError is among it
        told = sanitize.path(str(error).partition("\n")[0])
        raise NoStatementError(f"the statement in it is none of in-toto's: {told}") from error
    return known


def made_at(known: Statement) -> datetime:
    """When a record says that it was made."""
    return times.read(known.predicate.told[0])


def nonce_of(known: Statement) -> str:
    """The word that whoever asked for a record had it say, so that no older one answers."""
    return known.predicate.told[1]


def schema() -> dict[str, Json]:
    """Generate the JSON Schema of all statements from the models."""
    generated: dict[str, Json] = _ADAPTER.json_schema(by_alias=True, mode="serialization")
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, "$id": "urn:harness:record:v1", **generated, "title": "harness.record/v1"}


def shipped_schema() -> str:
    """Read the JSON Schema that ships with the package."""
    return (resources.files("harness.attestation") / "schema" / "record-v1.json").read_text(encoding="utf-8")
