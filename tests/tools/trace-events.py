#!/usr/bin/env python3
"""Checks a file of trace events and prints it as text: lanes of each process, with their spans, instants and arrows in order of time.

usage: trace-events.py FILE     exit 1 and a line for what is wrong

The rules are those that viewers rely on: every B has its E on the same lane and spans nest; times of a lane do not fall in the order of
the file; pids and tids are named; each flow has a start and an end, both within spans; counters have numbers.
"""
import bisect
import json
import sys


def main(path):
    trace = json.load(open(path))
    processes, lanes, open_spans, last = {}, {}, {}, {}
    spans, flows, text, counters = {}, {}, {}, {}
    for event in trace["traceEvents"]:
        phase, pid, tid = event["ph"], event["pid"], event["tid"]
        if phase == "M":
            if event["name"] == "process_name":
                processes[pid] = event["args"]["name"]
            elif event["name"] == "thread_name":
                lanes[tid] = (pid, event["args"]["name"])
            continue
        assert pid in processes, f"process {pid} has no name: {event}"
        ts = event["ts"]
        if phase == "C":
            ((unit, value),) = event["args"].items()
            assert isinstance(value, (int, float)), event
            count, _ = counters.get((pid, event["name"]), (0, unit))
            counters[pid, event["name"]] = (count + 1, unit)
            continue
        assert lanes[tid][0] == pid, f"lane {tid} is of another process: {event}"
        if phase in "sf":
            flows.setdefault(event["id"], []).append((phase, tid, ts, event["name"]))
            continue
        assert ts >= last.get(tid, 0), f"times of lane {tid} fall at {event}"
        last[tid] = ts
        stack = open_spans.setdefault(tid, [])
        where = text.setdefault(tid, [])
        indent = "  " * len(stack)
        if phase == "B":
            stack.append((event["name"], ts, len(where)))
            where.append(None)
        elif phase == "E":
            name, begin, at = stack.pop()
            spans.setdefault(tid, []).append((begin, ts))
            where[at] = f'{"  " * len(stack)}{begin:.3f} .. {ts:.3f}  {name}'
        elif phase == "X":
            spans.setdefault(tid, []).append((ts, ts + event["dur"]))
            where.append(f'{indent}{ts:.3f} .. {ts + event["dur"]:.3f}  {event["name"]}')
        elif phase == "i":
            assert event["s"] in "gpt", event
            where.append(f'{indent}{ts:.3f}  {event["name"]}')
        else:
            raise AssertionError(f"unknown phase: {event}")
    left = [tid for tid, stack in open_spans.items() if stack]
    assert not left, f"spans are left open in lanes {left}"
    covered = {tid: merge(sorted(pairs)) for tid, pairs in spans.items()}
    arrows = []
    for number, ends in flows.items():
        assert [end[0] for end in ends] == ["s", "f"], f"flow {number}: {ends}"
        for _, tid, ts, name in ends:
            assert is_inside(covered.get(tid, []), ts), f"flow {number} ({name}) ends in no span at {ts}"
        (_, start, sent, name), (_, end, arrived, _) = ends
        assert sent <= arrived, f"flow {number} goes back in time"
        arrows.append(f"{sent:.3f} {label(processes, lanes, start)} -> {arrived:.3f} {label(processes, lanes, end)}  {name}")
    for pid in sorted(processes):
        print(processes[pid])
        for tid, (owner, name) in sorted(lanes.items(), key=lambda item: item[0]):
            if owner == pid:
                print(f"  {name}")
                for line in text.get(tid, []):
                    print(f"    {line}")
        for (owner, name), (count, unit) in sorted(counters.items()):
            if owner == pid:
                print(f"  counter {name} ({unit}): {count} values")
    print("flows")
    for line in arrows:
        print(f"  {line}")


def merge(pairs):
    """What sorted intervals cover, as intervals apart from each other."""
    merged = []
    for begin, end in pairs:
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    return merged


def is_inside(merged, ts):
    at = bisect.bisect_right(merged, ts + 0.0005, key=lambda pair: pair[0]) - 1
    return at >= 0 and ts <= merged[at][1] + 0.0005


def label(processes, lanes, tid):
    return f"{processes[lanes[tid][0]]}, {lanes[tid][1]}"


try:
    main(sys.argv[1])
except (AssertionError, KeyError, ValueError) as error:
    print(f"{sys.argv[1]}: {error!r}", file=sys.stderr)
    sys.exit(1)
