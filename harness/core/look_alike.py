"""Names that look like other names."""

from __future__ import annotations

import re
import unicodedata

#: Scripts whose letters look like Latin ones; a whole name in them cannot be told from an ASCII name.
_CONFUSABLE_SCRIPTS = {"CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU", "GEORGIAN", "OLD", "DESERET"}
#: Greek letters drawn like Latin ones in most fonts.
_GREEK_TWINS = set("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο")
#: Greek letters that stay recognisable beside Latin ones in one word (Δx, logπ).
_GREEK_DISTINCT = set("βδεζηθλμξπστφψωΓΔΘΛΞΠΣΦΨΩ")


def look_alike(name: str) -> str:
    """Say what is wrong with a non-ASCII identifier as it was written, or give an empty string."""
    plain = unicodedata.normalize("NFKC", name)
    if plain != name:
        return f"Python reads the identifier {name} as {plain}"
    for segment in re.split(r"[_0-9]+", name):
        scripts = {unicodedata.name(c, "?").partition(" ")[0] for c in segment if c.isalpha()}
        if scripts & _CONFUSABLE_SCRIPTS or _GREEK_TWINS & set(segment):
            return f"the identifier {name} has letters that look like Latin ones and are not"
        if scripts == {"LATIN", "GREEK"} and all(c.isascii() or c in _GREEK_DISTINCT for c in segment):
            continue
        if len(scripts) > 1:
            return f"the identifier {name} mixes the scripts {', '.join(sorted(s.title() for s in scripts))}"
    return ""
