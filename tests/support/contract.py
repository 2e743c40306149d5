"""Compares what is asked of a forge, and what it answers, with the forge's own OpenAPI description (3.0).

The descriptions lie in `tests/contracts`. What GitHub documents for all operations at once (no credentials, rate
limits, "Troubleshooting the REST API") is let through everywhere; failures of a server are not looked at.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

FOLDER = Path(__file__).parents[1] / "contracts"

_EVERYWHERE = ("401", "403", "404", "429")
_ERROR = "#/components/schemas/basic-error"
_MANY_PARTS = ("branch", "ref")
"""Parameters of a path that may hold a slash."""
_DOCUMENT = "urn:contract"


class ContractError(AssertionError):
    """Something that the description does not have."""


class Contract:
    """One description.

    `check` raises ContractError and names the place of what is wrong: `GET /user: 200: answer.login: …`.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = _as_json_schema(document)
        self._open = jsonschema_rs.Registry([(_DOCUMENT, self._document)])
        self._closed = jsonschema_rs.Registry([(_DOCUMENT, _without_unknown(self._document))])
        self._routes = [(_pattern(path), path) for path in self._document["paths"]]
        self._validators: dict[tuple[str, bool], jsonschema_rs.Validator] = {}

    @classmethod
    @functools.cache
    def load(cls, name: str) -> Contract:
        """The description of that name, read once."""
        return cls(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))

    def find_path(self, path: str) -> str | None:
        """The path as the description spells it (`/repos/{owner}/…`); None if it has none like it."""
        return next((known for pattern, known in self._routes if pattern.fullmatch(path)), None)

    def check(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        request_body: Any,
        status: int,
        response_body: Any,
    ) -> None:
        """One question with its answer.

        Args:
            path: without query, and without what comes before `/repos`.
            request_body: the decoded JSON; None without a body.
            response_body: the same.
        """
        self.check_request(method, path, query, request_body)
        self.check_response(method, path, status, response_body)

    def check_request(self, method: str, path: str, query: Mapping[str, str], body: Any) -> None:
        """The question alone."""
        where, pointer, operation = self._find(method, path)
        pattern, _ = next(route for route in self._routes if route[1] == self.find_path(path))
        match = pattern.fullmatch(path)
        assert match is not None
        given = {"path": {name: unquote(text) for name, text in match.groupdict().items()}, "query": dict(query)}
        parameters = [self._resolve(one) for one in operation.get("parameters", ())]
        known = {kind: {one["name"]: one for one in parameters if one["in"] == kind} for kind in given}
        for kind, texts in given.items():
            for name, text in texts.items():
                _require(name in known[kind], f"{where}: {kind}.{name}: no such parameter")
                self._check_parameter(f"{where}: {kind}.{name}", known[kind][name]["schema"], text)
            missing = [name for name, one in known[kind].items() if one.get("required") and name not in texts]
            _require(not missing, f"{where}: {kind}: {', '.join(missing)} missing")
        described = operation.get("requestBody")
        if described is None:
            _require(body is None, f"{where}: body: none is taken")
        elif body is None:
            _require(not described.get("required"), f"{where}: body: missing")
        else:
            place = f"{pointer}/requestBody/content/application~1json/schema"
            self._check_value(f"{where}: body", place, body, is_closed=True)

    def check_response(self, method: str, path: str, status: int, body: Any) -> None:
        """The answer alone."""
        where, pointer, operation = self._find(method, path)
        where = f"{where}: {status}"
        if status >= 500:
            return
        response = operation["responses"].get(str(status))
        if response is None:
            _require(str(status) in _EVERYWHERE, f"{where}: not documented")
            self._check_value(f"{where}: answer", _ERROR, body)
            return
        place = response.get("$ref", f"{pointer}/responses/{status}")
        if not self._resolve(response).get("content"):
            # Failures are described without a body even where they have one.
            _require(body is None or status >= 400, f"{where}: answer: should have no body")
            return
        self._check_value(f"{where}: answer", f"{place}/content/application~1json/schema", body)

    def _find(self, method: str, path: str) -> tuple[str, str, dict[str, Any]]:
        where = f"{method} {path}"
        known = self.find_path(path)
        if known is None:
            raise ContractError(f"{where}: no such path")
        operation = self._document["paths"][known].get(method.lower())
        _require(operation is not None, f"{where}: no such method")
        return where, f"#/paths/{known.replace('~', '~0').replace('/', '~1')}/{method.lower()}", operation

    def _resolve(self, value: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in value:
            return value
        found: Any = self._document
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        assert isinstance(found, dict)
        return found

    def _check_parameter(self, where: str, schema: dict[str, Any], text: str) -> None:
        value: Any = text
        if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", text):
            value = int(text)
        elif schema.get("type") == "boolean" and text in ("true", "false"):
            value = text == "true"
        for error in jsonschema_rs.iter_errors(schema, value, offline=True):
            raise ContractError(f"{where}: {error.message}")

    def _check_value(self, where: str, pointer: str, value: Any, *, is_closed: bool = False) -> None:
        key = (pointer, is_closed)
        if key not in self._validators:
            self._validators[key] = jsonschema_rs.Draft202012Validator(
                {"$ref": f"{_DOCUMENT}{_quoted(pointer)}"},
                registry=self._closed if is_closed else self._open,
                validate_formats=True,
                offline=True,
            )
        errors = [text for error in self._validators[key].iter_errors(value) for text in _explain(error, where)]
        _require(not errors, "\n".join(errors[:20]))


def _require(is_right: object, message: str) -> None:
    # No assert statement: pytest would add to its message.
    if not is_right:
        raise ContractError(message)


def _explain(error: jsonschema_rs.ValidationError, where: str) -> list[str]:
    """What is wrong where; of alternatives the one that is wrong in the deepest place."""
    branches = error.kind.as_dict().get("context")
    if branches:
        likeliest = max(branches, key=_depth)
        return [text for one in likeliest for text in _explain(one, where)]
    place = where + "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in error.instance_path)
    text = error.message if len(error.message) < 400 else f"{error.message[:150]} … {error.message[-150:]}"
    return [f"{place}: {text}"]


def _depth(branch: list[jsonschema_rs.ValidationError]) -> tuple[int, bool, int]:
    is_other_type = any(one.kind.name == "type" for one in branch)
    return max(len(one.instance_path) for one in branch), not is_other_type, -len(branch)


def _pattern(path: str) -> re.Pattern[str]:
    def group(match: re.Match[str]) -> str:
        return f"(?P<{match[1]}>{'.+' if match[1] in _MANY_PARTS else '[^/]+'})"

    return re.compile(re.sub(r"\\\{(\w+)\\\}", group, re.escape(path)))


def _quoted(pointer: str) -> str:
    return pointer.replace("{", "%7B").replace("}", "%7D")


def _as_json_schema(value: Any) -> Any:
    """Says `nullable` (OpenAPI 3.0) as JSON Schema does."""
    if isinstance(value, list):
        return [_as_json_schema(one) for one in value]
    if not isinstance(value, dict):
        return value
    changed = {key: _as_json_schema(one) for key, one in value.items()}
    if changed.get("nullable") is not True:
        return changed
    del changed["nullable"]
    if isinstance(changed.get("type"), str) and not changed.keys() & {"allOf", "anyOf", "oneOf", "$ref"}:
        changed["type"] = [changed["type"], "null"]
        return {**changed, "enum": [*changed["enum"], None]} if "enum" in changed else changed
    return {"anyOf": [{"type": "null"}, changed]}


def _without_unknown(value: Any) -> Any:
    """With objects that take no other properties than those described."""
    if isinstance(value, list):
        return [_without_unknown(one) for one in value]
    if not isinstance(value, dict):
        return value
    changed = {key: _without_unknown(one) for key, one in value.items()}
    if isinstance(changed.get("properties"), dict) and "type" in changed:
        return {"additionalProperties": False, **changed}
    return changed
