#!/usr/bin/env python3
"""Reads every shipped scenario with a YAML 1.1 and a YAML 1.2 reader and compares; checks each against the JSON Schema.

Exit status: 0 they agree, 1 they do not, 77 a module is missing.
"""
import glob
import json
import sys

try:
    import jsonschema
    import ruamel.yaml
    import yaml
except ImportError as missing:
    print(missing, file=sys.stderr)
    sys.exit(77)


def read_1_1(path):
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def read_1_2(path):
    reader = ruamel.yaml.YAML(typ="safe", pure=True)
    reader.version = (1, 2)
    with open(path, encoding="utf-8") as file:
        return reader.load(file)


def main():
    with open("scenarios/orrery.schema.json", encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    wrong = 0
    paths = sorted(glob.glob("scenarios/**/*.yaml", recursive=True) + glob.glob("tests/language/good/*.yaml"))
    for path in paths:
        old, new = read_1_1(path), read_1_2(path)
        if old != new:
            print(f"{path}: YAML 1.1 and 1.2 read it differently", file=sys.stderr)
            wrong += 1
        for error in validator.iter_errors(new):
            print(f"{path}: {error.json_path}: {error.message}", file=sys.stderr)
            wrong += 1
    # A schema that lets everything pass would be no schema: most of what the loader refuses, it refuses too.
    refused = 0
    for path in glob.glob("tests/language/bad/[kqcfi]*.yaml"):
        try:
            refused += not validator.is_valid(read_1_2(path))
        except Exception:  # what no reader reads needs no schema
            continue
    if refused < 30:
        print(f"the schema refuses {refused} of the wrong scenarios", file=sys.stderr)
        wrong += 1
    return 1 if wrong or not paths else 0


sys.exit(main())
