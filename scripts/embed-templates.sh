#!/usr/bin/env bash
# Prints a C file that holds the scenarios given as arguments, in their order: the table of cli/templates.h.
set -u
echo '#include "cli/templates.h"'
for file in "$@"; do
    name=${file##*/}
    name=${name%.yaml}
    echo "static const unsigned char bytes_of_${name//[^a-z0-9]/_}[] = {"
    od -An -v -t u1 "$file" | sed -E 's/ +([0-9]+)/\1, /g'
    echo '0};'
done
echo 'const struct template templates[] = {'
for file in "$@"; do
    name=${file##*/}
    name=${name%.yaml}
    variable=bytes_of_${name//[^a-z0-9]/_}
    echo "    {\"$name\", $variable, sizeof $variable - 1},"
done
echo '    {0}};'
