#!/usr/bin/env python3
"""Counts test cases over meson's JSON logs and prints "N passed, N failed, N skipped" as the last line.

A TAP program counts by its cases; another by its exit. A program that ended badly, or not as it had planned, counts as one
failure more, so that a crash is never a success. Before that line it sums up how many fault points were tried, and says again
how each failure ended: the place where meson said so may be thousands of lines above.
"""
import json
import re
import sys

FAULT_LINE = re.compile(r"^# fault points tried: (\d+), violations: (\d+)$", re.MULTILINE)
LAST_WORDS = 25  # lines of what a program that failed said
TAP_LINE = re.compile(r"^(not )?ok\b[^#]*(#\s*(skip|todo))?", re.IGNORECASE)


def tell_failure(test):
    said = (test.get("stdout", "") + test.get("stderr", "")).splitlines()
    cases = [line for line in said if line.startswith("not ok")]
    print(f"{test['name']}: {test['result']}; its last words:")
    print("\n".join("  | " + line for line in cases + said[-LAST_WORDS:]))


def count(log_file):
    passed = failed = skipped = 0
    with open(log_file, encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            cases = [m for m in map(TAP_LINE.match, test.get("stdout", "").splitlines()) if m]
            bad = sum(1 for m in cases if m[1])
            skips = sum(1 for m in cases if not m[1] and m[3] and m[3].lower() == "skip")
            failed += bad
            skipped += skips
            passed += len(cases) - bad - skips
            if test["result"] == "SKIP" and not cases:
                skipped += 1
            elif test["result"] == "OK" and not cases:
                passed += 1
            elif test["result"] not in ("OK", "SKIP") and not bad:
                failed += 1
            if test["result"] not in ("OK", "SKIP"):
                tell_failure(test)
    return passed, failed, skipped


def count_faults(log_file):
    """How many points were tried by the programs that say so, and how many were violations."""
    with open(log_file, encoding="utf-8") as log:
        lines = [m for line in log for m in FAULT_LINE.findall(json.loads(line).get("stdout", ""))]
    return sum(int(tried) for tried, _ in lines), sum(int(violations) for _, violations in lines)


def main():
    totals = [0, 0, 0]
    faults = [0, 0]
    for log_file in sys.argv[1:]:
        try:
            totals = [a + b for a, b in zip(totals, count(log_file))]
            faults = [a + b for a, b in zip(faults, count_faults(log_file))]
        except OSError as error:
            print(error)
            totals[1] += 1
    print("fault points tried: %d, violations: %d" % tuple(faults))
    print("%d passed, %d failed, %d skipped" % tuple(totals))
    return 1 if totals[1] or not totals[0] else 0


sys.exit(main())
