"""Says which files do not fit a JSON Schema.

usage: check-schema.py SCHEMA FILE...     a line for each breach; exit 1 if there is one. FILE is JSON or, by its name, YAML.
"""
import json
import sys

import jsonschema
import yaml

with open(sys.argv[1], encoding='utf-8') as file:
    schema = json.load(file)
kind = jsonschema.validators.validator_for(schema)
kind.check_schema(schema)
validator = kind(schema)
bad = 0
for name in sys.argv[2:]:
    with open(name, encoding='utf-8') as file:
        try:
            content = yaml.safe_load(file) if name.endswith(('.yaml', '.yml')) else json.load(file)
            breaches = [f'/{"/".join(map(str, error.absolute_path))}: {error.message}' for error in validator.iter_errors(content)]
        except (ValueError, yaml.YAMLError) as error:
            breaches = ['cannot be read: ' + ' '.join(str(error).split())]
    for breach in breaches:
        print(f'{name}: {breach}')
        bad = 1
sys.exit(bad)
