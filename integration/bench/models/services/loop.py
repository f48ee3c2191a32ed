"""Calls model.py in a loop, without a server. It reads a time in seconds from each line of
its input, embeds the texts of a file in batches for that time, and prints a line of JSON."""

import json
import sys
import time

from model import ROWS, Model

with open(sys.argv[1]) as file:
    texts = json.load(file)
batches = [texts[i : i + ROWS] for i in range(0, len(texts) - ROWS + 1, ROWS)]
model = Model()
model.embed(batches[0])
print(json.dumps({"texts": len(texts)}), flush=True)
for line in sys.stdin:
    start, runs = time.perf_counter(), 0
    while time.perf_counter() < start + float(line):
        model.embed(batches[runs % len(batches)])
        runs += 1
    print(json.dumps({"texts": runs * ROWS, "seconds": time.perf_counter() - start}), flush=True)
