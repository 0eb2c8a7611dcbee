"""The rules of the screen: what is found by reading a candidate, before anything runs."""

from __future__ import annotations

from harness.core.candidate import NOT_A_REGULAR_FILE, TOO_LARGE
from harness.core.rules import Rule
from harness.core.verdict import Severity

EMPTY_FILE = Rule(
    id="S101",
    name="empty-file",
    severity=Severity.ERROR,
    summary="The candidate has no text.",
    why="An empty file, or one of blank lines and comments only, defines no loss; most often a write or a "
    "download was interrupted.",
    fix="Put one loss function in the file.",
    before="# (nothing)",
    after="def loss(pc, pr, rc, rr, beta):\n    return -F.logsigmoid(beta * ((pc - pr) - (rc - rr)))",
)
NOT_UTF8 = Rule(
    id="S102",
    name="not-utf-8",
    severity=Severity.ERROR,
    summary="The candidate is not plain UTF-8 text.",
    why="A byte order mark, a NUL byte or an invalid sequence makes programs disagree about what the text "
    "says, so what a person reviews may differ from what Python runs.",
    fix="Save the file as UTF-8 without a byte order mark.",
    before="b'\\xff\\xfed\\x00e\\x00f\\x00'",
    after="b'def loss(pc, pr, rc, rr, beta): ...'",
)
CODING_COOKIE = Rule(
    id="S103",
    name="coding-cookie",
    severity=Severity.ERROR,
    summary="The candidate declares an encoding other than UTF-8.",
    why="Under another encoding a comment can decode to code: what is read and what is run would differ.",
    fix="Delete the coding line.",
    before="# -*- coding: utf-7 -*-",
    after="# no coding line: source text is UTF-8",
)
SYNTAX_ERROR = Rule(
    id="S105",
    name="syntax-error",
    severity=Severity.ERROR,
    summary="The candidate is not valid Python 3.11.",
    why="Nothing else can be said about text that does not parse.",
    fix="Correct the syntax at the given line and column.",
    before="def loss(pc, pr, rc, rr, beta)\n    return pc",
    after="def loss(pc, pr, rc, rr, beta):\n    return pc",
)
TOO_COMPLEX = Rule(
    id="S106",
    name="too-complex",
    severity=Severity.ERROR,
    summary="The candidate is too deeply nested or too long for the parser's limits.",
    why="Very deep nesting, very long chains of operators and enormous literals exist to exhaust a parser. "
    "The screen reads a candidate in a process with limits on time and memory.",
    fix="Split long expressions into named steps, and use a loop where a term repeats.",
    before="x = 1 + 1 + 1 + 1  # ... two hundred thousand terms",
    after="x = 200_000",
)
NO_LOSS_FUNCTION = Rule(
    id="S107",
    name="no-loss-function",
    severity=Severity.ERROR,
    summary="The candidate defines no function that could be the loss.",
    why="The contract is a function at the top level of the text. Methods of a class, and functions whose "
    "names begin with an underscore, are taken for helpers.",
    fix="Define a top-level function of policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, "
    "reference_rejected_logps and beta.",
    before="class Loss:\n    def forward(self, pc, pr, rc, rr): ...",
    after="def loss(pc, pr, rc, rr, beta): ...",
)
AMBIGUOUS_ENTRY = Rule(
    id="S108",
    name="ambiguous-entry",
    severity=Severity.ERROR,
    summary="More than one public function could be the loss.",
    why="Guessing would judge a function that nobody meant to submit.",
    fix="Begin the helpers' names with an underscore, or choose the loss with --entry NAME.",
    before="def dpo(pc, pr, rc, rr, beta): ...\ndef slic(pc, pr, rc, rr, beta): ...",
    after="def _dpo(pc, pr, rc, rr, beta): ...\ndef slic(pc, pr, rc, rr, beta): ...",
)
BAD_SIGNATURE = Rule(
    id="S109",
    name="bad-signature",
    severity=Severity.ERROR,
    summary="The loss cannot be called with the contract's arguments.",
    why="The harness offers the policy's and the reference's log-probabilities, beta, and, to a function "
    "that names them, completion lengths and training progress. It has nothing to give to any other required "
    "parameter that has no range in PARAMS, and it expects an ordinary function, neither async nor a generator.",
    fix="Use the contract's parameter names, and give every other parameter a default, or a range in PARAMS.",
    before="def loss(logits, labels): ...",
    after="def loss(policy_chosen_logps, policy_rejected_logps,\n"
    "         reference_chosen_logps, reference_rejected_logps, beta): ...",
)
HIDDEN_CHARACTERS = Rule(
    id="S111",
    name="hidden-characters",
    severity=Severity.ERROR,
    summary="The candidate contains invisible, reordering or look-alike characters.",
    why="Bidirectional controls and zero-width characters make text look like something else, and two "
    "identifiers that look the same can be different names. Plain Greek letters are welcome.",
    fix="Retype the marked place with ordinary letters.",
    before="bеta = 0.1  # the second letter is Cyrillic",
    after="beta = 0.1",
)
FORBIDDEN_IMPORT = Rule(
    id="S112",
    name="forbidden-import",
    severity=Severity.ERROR,
    summary="The candidate imports something that a loss does not need.",
    why="The sandbox holds the standard library and torch. The policy admits the parts of them that compute, "
    "and none that reach files, processes, the network or the interpreter.",
    fix="Use torch, math and the small modules of the standard library that only compute.",
    before="import numpy as np",
    after="import torch",
)
FORBIDDEN_NAME = Rule(
    id="S113",
    name="forbidden-name",
    severity=Severity.ERROR,
    summary="The candidate uses a name or an attribute that the policy refuses.",
    why="Double-underscore names, introspection and dynamic execution lead out of any restricted subset of "
    "Python, and no formula needs them.",
    fix="Write the computation with plain names, functions and tensor methods.",
    before='getattr(torch, "exp")(x)',
    after="torch.exp(x)",
)
TORCH_OPERATION = Rule(
    id="S114",
    name="torch-operation",
    severity=Severity.ERROR,
    summary="The candidate uses a part of torch outside the list of pure operations.",
    why="Elementwise mathematics, reductions, comparisons, creation, indexing, linear algebra, activations "
    "and loss functions are on the list. Random numbers, uninitialised memory, global settings, files, "
    "compilers and autograd's internals are not.",
    fix="Use operations that compute values from tensors.",
    before="noise = torch.randn_like(x)",
    after="noise = torch.sin(x)",
)
FORBIDDEN_SYNTAX = Rule(
    id="S115",
    name="forbidden-syntax",
    severity=Severity.ERROR,
    summary="The candidate uses a statement that the policy refuses.",
    why="Some statements keep state between calls, hide errors or need machinery that a function of tensors "
    "does without.",
    fix="Write the loss as a plain function of its arguments.",
    before="global calls\ncalls += 1",
    after="# a loss keeps no state between calls",
)
UNUSABLE_REPLY = Rule(
    id="S116",
    name="unusable-reply",
    severity=Severity.ERROR,
    summary="No single piece of code can be taken from the language model's reply.",
    why="A reply is a JSON object with thought, name and code, or prose around one block of Python. A reply "
    "that was cut off, holds two candidates or none cannot be judged.",
    fix='Answer with one JSON object: {"thought": "...", "name": "...", "code": "def ..."}.',
    before="I am sorry, I cannot help with that.",
    after='{"thought": "...", "name": "dpo", "code": "def dpo(self, ...): ..."}',
)
BAD_PARAMETERS = Rule(
    id="S117",
    name="bad-parameters",
    severity=Severity.ERROR,
    summary="PARAMS does not declare ranges that the harness could read, pass and tune.",
    why="A candidate may leave up to four floats open: it names them in PARAMS with their ranges, and takes them as "
    "parameters. The properties then hold over the ranges, and a ladder tunes the values. The declaration is read from "
    "the text and never executed, so it is written out: one dictionary at the top level, of names and numbers.",
    fix='Write PARAMS = {"tau": (0.01, 1.0, "log")} at the top level, and take tau as a parameter of the loss.',
    before='PARAMS = {"tau": (0, HIGH, "log")}',
    after='PARAMS = {"tau": (0.01, 1.0, "log")}\n\n\ndef loss(pc, pr, rc, rr, beta, tau): ...',
)
DRAFTS = Rule(
    id="S118",
    name="drafts-left-aside",
    severity=Severity.NOTE,
    summary="The reply holds more than the code that is judged.",
    why="A reasoning model thinks aloud, and drafts what it then gives up: in its thoughts, or in an earlier fenced "
    "block. That makes no second candidate. The last whole piece of code counts, one in a JSON object before all "
    "others, and the report says what was left aside.",
    fix='Answer with one JSON object, and nothing else: {"thought": "...", "name": "...", "code": "def ..."}.',
    before="```python\ndef dpo(...): ...\n```\nOr better:\n```python\ndef slic(...): ...\n```",
    after="```python\ndef slic(...): ...\n```",
    introduced_in="2026.2",
)

SCREEN_RULES: tuple[Rule, ...] = (
    EMPTY_FILE,
    NOT_UTF8,
    CODING_COOKIE,
    TOO_LARGE,
    SYNTAX_ERROR,
    TOO_COMPLEX,
    NO_LOSS_FUNCTION,
    AMBIGUOUS_ENTRY,
    BAD_SIGNATURE,
    NOT_A_REGULAR_FILE,
    HIDDEN_CHARACTERS,
    FORBIDDEN_IMPORT,
    FORBIDDEN_NAME,
    TORCH_OPERATION,
    FORBIDDEN_SYNTAX,
    UNUSABLE_REPLY,
    BAD_PARAMETERS,
    DRAFTS,
)
