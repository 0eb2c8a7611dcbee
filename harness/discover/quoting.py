"""Showing a stranger's text to a language model: nothing in it may pass for an instruction.

Candidates are written by models, and what stands in their comments, texts and names comes back in the next context. So
code is shown without comments and docstrings, with its texts and odd names replaced, as Python itself writes it out
again; sentences that quote a candidate are cut to one line and lose every mark that could end a fence or a role.
"""

from __future__ import annotations

import ast
import re

from harness.core.text import one_line

#: Longest code that is shown, in characters; longer code is named, and not shown.
CODE_CAP = 6000
#: Longest sentence that quotes a candidate, in characters.
SENTENCE_CAP = 400
#: Most words of a name.
_WORDS = 4
_PLAIN_TEXT = re.compile(r"[A-Za-z_]{0,16}")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
# Role marks of chat templates (`<|im_start|>`, `[INST]`, `<<SYS>>`), tags, and fences.
_MARKS = re.compile(r"<\||\|>|\[/?INST\]|<<|>>|</?(?=[A-Za-z])|`{2,}|~{3,}|#{2,}")
_ROLES = re.compile(r"\b(system|assistant|user|developer|human)\s*:", re.IGNORECASE)


def sentence(text: str, cap: int = SENTENCE_CAP) -> str:
    """A stranger's text as one line, without marks that a model or its template takes for structure."""
    line = one_line(text[: 4 * cap], 4 * cap)
    line = f"{line[:cap].rstrip()} ..." if len(line) > cap else line
    return _ROLES.sub(r"\1 -", _MARKS.sub(" ", line).replace("`", "'"))


def name(text: str) -> str:
    """What a candidate calls itself, in at most four plain words: more of them would be a sentence."""
    words = re.findall(r"[a-z0-9]+", text.lower())[:_WORDS]
    word = "_".join(words)[:32].rstrip("_")
    return word if re.search("[a-z]", word) else "unnamed"


def code(source: str) -> str:
    """A candidate's code, fit to be shown; empty where it cannot be. Only for texts that a screen has parsed."""
    if len(source) > 4 * CODE_CAP:
        return ""
    try:
        tree = _Plain().visit(ast.parse(source))
        shown = ast.unparse(ast.fix_missing_locations(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    return shown if len(shown) <= CODE_CAP else ""


class _Plain(ast.NodeTransformer):
    """Takes out what says something to a reader and nothing to Python, and renames what reads like a sentence."""

    def __init__(self) -> None:
        self._renamed: dict[str, str] = {}

    def _name(self, word: str) -> str:
        # Sentences are written with underscores too.
        if _PLAIN_NAME.fullmatch(word) and len(re.findall(r"[^_]+", word)) <= _WORDS:
            return word
        return self._renamed.setdefault(word, f"name_{len(self._renamed) + 1}")

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Rename every identifier of a node, whatever its field is called."""
        for field in ("id", "arg", "attr", "name", "asname", "module", "rest"):
            word = getattr(node, field, None)
            if isinstance(word, str):
                setattr(node, field, ".".join(self._name(part) for part in word.split(".")))
        for field in ("names", "kwd_attrs"):  # of `nonlocal`, and of a class pattern
            words = getattr(node, field, None)
            if isinstance(words, list) and all(isinstance(word, str) for word in words):
                setattr(node, field, [self._name(word) for word in words])
        for field in ("annotation", "returns"):  # of a parameter and of a function: type hints compute nothing
            if isinstance(node, ast.arg | ast.FunctionDef) and hasattr(node, field):
                setattr(node, field, None)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [child for child in body if not _is_text(child)]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
        return super().generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """Keep numbers, and texts of one plain word such as "none"."""
        if isinstance(node.value, bytes) or (isinstance(node.value, str) and not _PLAIN_TEXT.fullmatch(node.value)):
            return ast.copy_location(ast.Constant("..."), node)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """An f-string says nothing that a loss needs."""
        return ast.copy_location(ast.Constant("..."), node)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
