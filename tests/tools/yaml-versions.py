"""Says which YAML files a reader of YAML 1.1 and one of YAML 1.2 understand differently.

usage: yaml-versions.py FILE...     a line for each difference; exit 1 if there is one
"""
import re
import sys

import yaml
from ruamel.yaml import YAML


# What the specification of 1.1 reads as a boolean or a number and that of 1.2 as a string, though these two readers agree.
DOUBTFUL = re.compile(r'[yYnN]|[-+]?[0-9][0-9.]*_[0-9_.]*')


def doubtful(text):
    for token in yaml.scan(text):
        if isinstance(token, yaml.ScalarToken) and token.plain and DOUBTFUL.fullmatch(token.value):
            yield f'line {token.start_mark.line + 1}: {token.value!r} is not a string in 1.1'


def differences(old, new, place=''):
    """Where two readings of one file differ; type counts, for 1 and true are equal in Python."""
    if type(old) is not type(new):
        yield f'{place or "/"}: {old!r} in 1.1, {new!r} in 1.2'
    elif isinstance(old, dict):
        if list(map(repr, old)) != list(map(repr, new)):
            yield f'{place or "/"}: keys {list(old)} in 1.1, {list(new)} in 1.2'
            return
        for key in old:
            yield from differences(old[key], new[key], f'{place}/{key}')
    elif isinstance(old, list):
        if len(old) != len(new):
            yield f'{place or "/"}: {len(old)} items in 1.1, {len(new)} in 1.2'
            return
        for index, pair in enumerate(zip(old, new)):
            yield from differences(*pair, f'{place}/{index}')
    elif old != new:
        yield f'{place or "/"}: {old!r} in 1.1, {new!r} in 1.2'


bad = 0
for name in sys.argv[1:]:
    with open(name, encoding='utf-8') as file:
        text = file.read()
    try:
        found = list(differences(yaml.safe_load(text), YAML(typ='safe', pure=True).load(text)))
        found += doubtful(text)
    except Exception as error:
        found = ['cannot be read: ' + ' '.join(str(error).split())]
    for difference in found:
        print(f'{name}: {difference}')
        bad = 1
sys.exit(bad)
