"""Generates inputs from /schema.json, sends them, and checks the outputs. It prints
the smallest input of each problem, as a JSON list in its last line."""

import json
import sys

import jsonschema
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis_jsonschema import from_schema

base, examples = sys.argv[1], int(sys.argv[2])
session = requests.Session()


def bounded(schema):
    """Adds the bounds of Go's int: as BentoML's, /schema.json has none, /docs.json has them."""
    if isinstance(schema, list):
        return [bounded(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    added = {"minimum": -(2**63), "maximum": 2**63 - 1} if schema.get("type") == "integer" and "enum" not in schema else {}
    return added | {key: bounded(value) for key, value in schema.items()}


def check(route):
    output = jsonschema.Draft202012Validator(route["output"])

    @settings(max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(from_schema(bounded(route["input"])))
    def accepts(value):
        response = session.post(base + route["route"], data=json.dumps(value), headers={"Content-Type": "application/json"})
        if response.status_code == 500 and largest(value) > 1e300:
            return  # the function may compute infinity: BentoML then sends [Infinity], which is not JSON
        assert response.status_code == 200, f"{json.dumps(value)} is refused: {response.text}"
        got = response.json() if response.headers["Content-Type"].startswith("application/json") else response.text
        for error in output.iter_errors(got):
            raise ValueError(f"{json.dumps(value)} has the output {response.text}: {error.message}")

    accepts()


def largest(value):
    if isinstance(value, (list, dict)):
        return max(map(largest, value.values() if isinstance(value, dict) else value), default=0)
    return abs(value) if isinstance(value, (int, float)) else 0


def problems(error):
    return [p for e in error.exceptions for p in problems(e)] if isinstance(error, BaseExceptionGroup) else [str(error)[:2000]]


found = []
for route in session.get(base + "/schema.json").json()["routes"]:
    try:
        check(route)
    except Exception as error:
        found += [f"{route['route']}: {p}" for p in problems(error)]
print(json.dumps(found))
