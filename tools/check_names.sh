#!/bin/sh
# Nothing committed names the place it was written in, the tools it was written with, or a package archive's host.
set -eu
cd "${1:-$(dirname "$0")/..}"
git rev-parse --git-dir >/dev/null # what is committed is the question
found=0

look() {
    reason=$1
    pattern=$2
    if git grep -InE "$pattern" -- . ':!LICENSE' ||
        git log --format='commit %h: %B' 2>/dev/null | grep -nE "$pattern"; then
        echo "    $reason"
        found=1
    fi
}

look "an absolute path of one machine" '(^|[^a-zA-Z0-9_./~-])/(work|root|home/[a-z]+|Users/[a-z]+)/'
look "a package archive's host: tools take it from the machine's own settings" \
    'https?://[a-zA-Z0-9.-]*(debian|ubuntu|pypi|pythonhosted|crates|npmjs|golang|maven)[a-zA-Z0-9.-]*'
look "how it was written, not what it is" \
    '([Cc]laude|[Aa]nthropic|[Oo]pen[A]I|[Cc]hat[G]PT|[Cc]o-?pilot|[Ss]ub-?agent|AI[ -]agent|[Ll]anguage model|[Cc]o-Authored-By)'
[ "$found" -eq 0 ] && echo "names: nothing found"
exit "$found"
