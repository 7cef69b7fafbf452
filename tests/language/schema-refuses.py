#!/usr/bin/env python3
"""The JSON Schema takes the right scenarios of this suite, and refuses most of the wrong ones.

What is wrong only between parts, no schema can tell; a schema that takes everything would be none, though.
Exit status: 0 it does, 1 it does not, 77 a module is missing.
"""
import glob
import json
import sys

try:
    import jsonschema
    import yaml
except ImportError as missing:
    print(missing, file=sys.stderr)
    sys.exit(77)

REFUSED_AT_LEAST = 60


def read(path):
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def main():
    with open("docs/orrery.schema.json", encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    wrong = 0
    for path in sorted(glob.glob("tests/language/good/*.yaml") + glob.glob("scenarios/**/*.yaml", recursive=True)):
        for error in validator.iter_errors(read(path)):
            print(f"{path}: {error.json_path}: {error.message}", file=sys.stderr)
            wrong += 1
    refused = []
    for path in sorted(glob.glob("tests/language/bad/*.yaml")):
        try:
            if not validator.is_valid(read(path)):
                refused.append(path)
        except (yaml.YAMLError, UnicodeDecodeError, TypeError):
            continue  # no YAML, or a key that is no text: nothing for a schema
    if len(refused) < REFUSED_AT_LEAST:
        print(f"the schema refuses only {len(refused)} of the wrong scenarios", file=sys.stderr)
        wrong += 1
    return 1 if wrong else 0


sys.exit(main())
