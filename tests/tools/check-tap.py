"""Says what of a TAP stream is not TAP version 14.

usage: check-tap.py FILE     a line for each breach; exit 1 if there is one

Known are the version, the plan at the end, test points with descriptions and SKIP directives, YAML blocks, comments, and Bail out!: what
https://testanything.org/tap-version-14-specification.html calls a TAP14 document, without subtests and pragmas.
"""
import re
import sys

import yaml

breaches = []
points, plan, block, bailed = 0, None, None, False
with open(sys.argv[1], encoding='utf-8') as file:
    lines = file.read().splitlines()
if not lines or lines[0] != 'TAP version 14':
    breaches.append('does not begin with the version')
for number, line in enumerate(lines[1:], 2):
    point = re.fullmatch(r'(not )?ok (\d+) - ((?:[^#\\]|\\[#\\])*)( # SKIP .+)?', line)
    if block is not None:
        if line == '  ...':
            try:
                content = yaml.safe_load('\n'.join(block))
                if not isinstance(content, dict) or 'message' not in content:
                    breaches.append(f'{number}: a YAML block without a message')
            except yaml.YAMLError as error:
                breaches.append(f'{number}: {error}')
            block = None
        elif not line.startswith('  '):
            breaches.append(f'{number}: a YAML block that does not end')
            block = None
        else:
            block.append(line[2:])
    elif line == '  ---':
        block = []
    elif point:
        points += 1
        if plan is not None:
            breaches.append(f'{number}: a test point behind the plan')
        if int(point.group(2)) != points:
            breaches.append(f'{number}: test points do not count')
    elif match := re.fullmatch(r'1\.\.(\d+)( # .*)?', line):
        plan = int(match.group(1))
    elif line.startswith('Bail out!'):
        bailed = True
    elif line and not line.startswith('#'):
        breaches.append(f'{number}: {line!r}')
if block is not None:
    breaches.append('a YAML block that does not end')
if not bailed and plan != points:
    breaches.append(f'the plan is {plan}, there are {points}')
print('\n'.join(breaches), end='\n' if breaches else '')
sys.exit(bool(breaches))
