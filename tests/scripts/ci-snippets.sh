#!/usr/bin/env bash
# The snippets of docs/ci.md can be read by what they are for, and what they run works.
. "${0%/*}/../tools/script-test.sh"
[[ -n $orrery ]] || skip 'there is no program'
"$PYTHON" -c 'import jsonschema, yaml' 2>/dev/null || skip 'python3-yaml or python3-jsonschema is not there'
cd "$scratch" || exit 1

# Leaves the shell lines of all snippets in files, one for each place that has a shell of its own.
"$PYTHON" - "$root/docs/ci.md" <<'PYTHON' || fail 'a snippet cannot be read'
import re
import sys

import jsonschema
import yaml

page = open(sys.argv[1], encoding='utf-8').read()
blocks = re.findall(r'^```(\w*)\n(.*?)^```$', page, re.M | re.S)
text = {'type': 'string', 'minLength': 1}
# Of the schemas of both: what these snippets use, and nothing besides.
step = {'oneOf': [{'required': ['uses']}, {'required': ['run']}], 'additionalProperties': False,
        'properties': {'name': text, 'uses': {'type': 'string', 'pattern': r'^[\w-]+/[\w-]+@v\d+$'}, 'run': text, 'if': text,
                       'with': {'type': 'object', 'additionalProperties': {'type': ['string', 'number', 'boolean']}}}}
github = {'required': ['on', 'jobs'], 'additionalProperties': False, 'properties': {
    'name': text, 'on': {'items': {'enum': ['push', 'pull_request', 'schedule', 'workflow_dispatch']}},
    'jobs': {'additionalProperties': {'required': ['runs-on', 'steps'], 'additionalProperties': False, 'properties': {
        'runs-on': text, 'steps': {'type': 'array', 'minItems': 1, 'items': step},
        'strategy': {'additionalProperties': False, 'properties': {'fail-fast': {'type': 'boolean'}, 'matrix': {
            'additionalProperties': {'type': 'array'}}}}}}}}}
script = {'type': 'array', 'minItems': 1, 'items': text}
gitlab = {'additionalProperties': {'required': ['script'], 'additionalProperties': False, 'properties': {
    'image': text, 'parallel': {'type': 'integer', 'minimum': 2, 'maximum': 200}, 'before_script': script, 'script': script,
    'artifacts': {'additionalProperties': False, 'properties': {
        'when': {'enum': ['on_success', 'on_failure', 'always']}, 'paths': {'type': 'array', 'items': text},
        'reports': {'additionalProperties': False, 'properties': {'junit': text}}}}}}}
shells = []
kinds = {'github': 0, 'gitlab': 0, 'jenkins': 0, 'shell': 0}
for language, content in blocks:
    if language == 'yaml':
        # To YAML 1.1 the key `on` is a truth value; GitHub reads YAML 1.2.
        document = {'on' if key is True else key: value for key, value in yaml.safe_load(content).items()}
        if 'jobs' in document:
            kinds['github'] += 1
            jsonschema.validate(document, github)
            for job in document['jobs'].values():
                shells += [step['run'] for step in job['steps'] if 'run' in step]
                for variable in re.findall(r'\$\{\{ *matrix\.(\w+) *\}\}', content):
                    assert variable in job['strategy']['matrix'], variable
        else:
            kinds['gitlab'] += 1
            jsonschema.validate(document, gitlab)
            for job in document.values():
                shells.append('\n'.join(job.get('before_script', []) + job['script']))
    elif language == 'groovy':
        kinds['jenkins'] += 1
        bare = re.sub(r"'[^'\n]*'", "''", content)
        stack = []
        for character in bare:
            if character in '{([':
                stack.append(character)
            elif character in '})]':
                assert stack and stack.pop() + character in ('{}', '()', '[]'), 'brackets'
        assert not stack and "'" not in bare.replace("''", ''), 'quotes or brackets'
        # Declarative Pipeline: agent and stages are required in pipeline, steps in a stage; these are all the words there are here.
        words = re.findall(r'^\s*(\w+)', bare, re.M)
        assert words[0] == 'pipeline' and {'agent', 'stages', 'stage', 'steps', 'post'} <= set(words), words
        known = {'pipeline', 'agent', 'stages', 'stage', 'steps', 'sh', 'post', 'always', 'unsuccessful', 'junit', 'archiveArtifacts'}
        assert set(words) <= known, set(words) - known
        shells += re.findall(r"\bsh '([^']*)'", content)
    else:
        kinds['shell'] += 1
        shells.append(content)
assert kinds == {'github': 1, 'gitlab': 1, 'jenkins': 1, 'shell': 3}, kinds
# What is said within a line is to be typed, too.
shells += [code for code in re.findall(r'`(orrery test [^`]*)`', page)]
for index, shell in enumerate(shells):
    open(f'shell-{index:02}', 'w', encoding='utf-8').write(re.sub(r'\$\{\{ *matrix\.shard *\}\}', '2', shell) + '\n')
PYTHON
[[ $(ls shell-* | wc -l) -ge 9 ]] || fail "docs/ci.md has $(ls shell-* | wc -l) shells"

# What fetches and builds is stood in for, but make must know what it is asked for.
mkdir bin
for name in apt-get git; do
    printf '#!/bin/sh\nexit 0\n' >bin/$name
done
cat >bin/make <<FAKE
#!/usr/bin/env bash
[[ \$1 == -C && \$2 == orrery ]] || exit 2
shift 2
/usr/bin/env -i PATH="/usr/bin:/bin" make -n -C "$root" "\$@" >/dev/null
FAKE
chmod +x bin/*
for shell in shell-*; do
    rm -rf work
    mkdir -p work/scenarios work/orrery/build
    ln -s "$orrery" work/orrery/build/orrery
    for name in ping bulk lossy-link there-and-back; do
        cp "$root/tests/golden/$name.yaml" work/scenarios/
    done
    (
        cd work || exit 1
        PATH="$scratch/bin:${orrery%/*}:$PATH" CI_NODE_INDEX=1 CI_NODE_TOTAL=4 ORRERY_REPOSITORY=any \
            bash -eo pipefail "../$shell" >../said 2>&1 </dev/null
    ) || fail "$shell exits $?: $(head -n 3 "$shell" | tr '\n' '|') $(tail -n 3 said | tr '\n' '|')"
    grep -q -- '--junit results.xml' "$shell" && [[ ! -s work/results.xml ]] && fail "$shell writes no results.xml"
done

# A pipeline that takes unknown for good.
sed 's/ping.lost == 0/nothing.lost == 0/; s/^timeline:/timeline:\n  - {at: 1h, ping: {from: alice, to: bob, every: 10ms}, as: nothing}/' \
    "$root/tests/golden/ping.yaml" >work/scenarios/ping.yaml
tolerant=$(grep -l 'eq 4' shell-*)
expect_exit 4 "$orrery" test work/scenarios
(cd work && PATH="${orrery%/*}:$PATH" bash -eo pipefail "../$tolerant" >../said 2>&1) || fail "$tolerant exits $?"
sed -i 's/ping.received == .*/ping.received == 99/' work/scenarios/ping.yaml
(cd work && PATH="${orrery%/*}:$PATH" bash -eo pipefail "../$tolerant" >../said 2>&1) && fail "$tolerant takes a failure for good"
exit 0
