#!/usr/bin/env python3
"""Computes tests/ring_vectors.txt: placement as written down in the design, by brute force, with Python's md5.

    python3 ring_vectors.py > ring_vectors.txt

Shares nothing with the Rust code, so that the two can be wrong only independently.

    point TEXT NUMBER                   md5(text) mod 2^32
    ring METRIC POINTS [KEY ...]        what follows is about this ring
    group NAME NUMBER STANDBY [KEY ...] its point, its standby (- for none), and the order of preference
    at NUMBER STANDBY [KEY ...]         the same for a bare point
    share KEY COVERS                    to how many of the 2^32 points the node is the nearest
"""
import hashlib
import random

CIRCLE = 1 << 32


def point(text):
    return int.from_bytes(hashlib.md5(text.encode()).digest(), "big") % CIRCLE


def points_of(key, n):
    return [point(key)] + [point(f"{key}#{i}") for i in range(1, n)]


def distance(metric, a, b):
    straight = abs(a - b)
    return straight if metric == "linear" else min(straight, CIRCLE - straight)


def order(metric, n, keys, at):
    def rank(key):
        return min((distance(metric, k, at), k) for k in points_of(key, n)) + (key,)
    return sorted(keys, key=rank)


def host(key):
    if key.startswith("["):
        return key[1:].split("]")[0]
    return key.split(":")[0] if key.count(":") == 1 else key


def standby(ordered):
    others = [key for key in ordered[1:] if host(key) != host(ordered[0])]
    return (others + ordered[1:] + ["-"])[0]


def covers(metric, n, keys):
    """Where the nearest node changes is found by bisection between neighbouring points."""
    spots = sorted({p for key in keys for p in points_of(key, n)})
    cuts = {0} | set(spots)
    for a, b in zip(spots, spots[1:] + [spots[0] + CIRCLE]):
        for cut in ((a + b) // 2, (a + b) // 2 + 1, (a + b + 1) // 2 + 1):
            cuts.add(cut % CIRCLE)
    for spot in spots:
        cuts.add((spot + 1) % CIRCLE)
    cuts = sorted(cuts)
    total = dict.fromkeys(keys, 0)
    for a, b in zip(cuts, cuts[1:] + [CIRCLE]):
        total[order(metric, n, keys, a)[0]] += b - a
    return total


def ring(metric, n, keys, groups, shares=False):
    print("ring", metric, n, *keys)
    spots = sorted(p for key in keys for p in points_of(key, n))
    ats = {0, 1, CIRCLE // 2, CIRCLE - 1}
    for a in spots[:4] + spots[-2:]:
        ats |= {a, (a + 1) % CIRCLE, (a - 1) % CIRCLE, (a + CIRCLE // 2) % CIRCLE}
    for a, b in zip(spots[:4] + spots[-1:], spots[1:5] + [spots[0] + CIRCLE] if spots else []):
        ats |= {(a + b) // 2 % CIRCLE, ((a + b) // 2 + 1) % CIRCLE}
    for name in groups:
        ordered = order(metric, n, keys, point(name))
        print("group", name, point(name), standby(ordered), *ordered)
    for at in sorted(ats):
        ordered = order(metric, n, keys, at)
        print("at", at, standby(ordered), *ordered)
    if shares:
        for key, count in sorted(covers(metric, n, keys).items()):
            print("share", key, count)


def twins(count):
    """Pairs of addresses that fall on the same point."""
    seen, found = {}, []
    for number in range(1 << 20):
        key = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        if point(key) in seen:
            found.append((seen[point(key)], key))
            if len(found) == count:
                break
        seen[point(key)] = key
    return found


def main():
    print("# Written by ring_vectors.py; see there.")
    for text in ["", "#erlang", "@joe", "#ünï", "192.0.2.7", "192.0.2.7:7412", "192.0.2.7#1", "[2001:db8::1]:80"]:
        if text:
            print("point", text, point(text))
    groups = ["#erlang", "#rust", "@joe", "#a", "#ünï", "#" + "x" * 63]
    (a, b), (c, d) = twins(2)
    pick = random.Random(20060815)
    many = [f"198.51.100.{i}" for i in range(1, 41)]
    sets = [
        [],
        ["192.0.2.1"],
        ["192.0.2.1", "192.0.2.2"],
        ["192.0.2.1", "192.0.2.1:7412", "192.0.2.1:7413"],
        ["192.0.2.1", "192.0.2.1:7412", "192.0.2.2", "192.0.2.2:7412"],
        ["127.0.0.1", "127.0.0.2", "127.0.0.3"],
        ["2001:db8::1", "[2001:db8::1]:80", "192.0.2.9", "203.0.113.77:9000"],
        [a, b],
        [a, b, c, d, "192.0.2.1"],
        many,
    ]
    for metric in ("circular", "linear"):
        for keys in sets:
            keys = sorted(keys)
            ring(metric, 1, keys, groups, shares=0 < len(keys) < 6)
        for n in (2, 3, 16):
            keys = sorted(pick.sample(many, 5))
            ring(metric, n, keys, groups, shares=True)
        ring(metric, 160, ["192.0.2.1", "192.0.2.2", "192.0.2.3"], groups)


main()
