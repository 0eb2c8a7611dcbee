"""A strict schema of the parts of SARIF 2.1.0 that are in use."""

from __future__ import annotations


def closed(required, **optional):
    """An object with these properties and no others."""
    properties = {**required, **optional}
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


TEXT = {"type": "string", "minLength": 1}
MESSAGE = closed({"text": TEXT}, markdown=TEXT)
LEVEL = {"enum": ["none", "note", "warning", "error"]}
LOCATION = closed(
    {
        "physicalLocation": closed(
            {
                "artifactLocation": closed({"uri": {"type": "string", "format": "uri-reference"}}, uriBaseId=TEXT),
                "region": closed({"startLine": {"type": "integer", "minimum": 1}}, startColumn={"minimum": 1}),
            }
        )
    }
)
RULE = closed(
    {"id": {"pattern": "^[SWP][1-9][0-9]{2}$"}, "name": TEXT, "shortDescription": MESSAGE},
    fullDescription=MESSAGE,
    help=MESSAGE,
    defaultConfiguration=closed({"level": LEVEL}),
    properties={"type": "object"},
)
RESULT = closed(
    {
        "ruleId": TEXT,
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": MESSAGE,
        "locations": {"type": "array", "items": LOCATION, "minItems": 1, "maxItems": 1},
        "partialFingerprints": {"type": "object", "additionalProperties": {"pattern": "^[0-9a-f]{64}$"}},
        "properties": {"type": "object"},
    }
)
INVOCATION = closed(
    {
        "executionSuccessful": {"type": "boolean"},
        "exitCode": {"enum": [0, 1, 3]},
        "toolExecutionNotifications": {
            "type": "array",
            "items": closed({"level": LEVEL, "message": MESSAGE}, locations={"type": "array", "items": LOCATION}),
        },
    }
)
DRIVER = closed({"name": TEXT, "version": TEXT, "semanticVersion": TEXT, "rules": {"items": RULE, "uniqueItems": True}})
RUN = closed(
    {
        "tool": closed({"driver": DRIVER}),
        "invocations": {"type": "array", "items": INVOCATION, "minItems": 1, "maxItems": 1},
        "columnKind": {"const": "unicodeCodePoints"},
        "automationDetails": closed({"id": TEXT}),
        "results": {"type": "array", "items": RESULT},
        "properties": closed({"judged": {"type": "integer"}, "notJudged": {"type": "integer"}}),
    }
)
LOG = closed({"$schema": TEXT, "version": {"const": "2.1.0"}, "runs": {"items": RUN, "minItems": 1, "maxItems": 1}})
