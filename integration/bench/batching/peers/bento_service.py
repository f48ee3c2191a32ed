"""The model on BentoML: 10 ms and 0.1 ms an item, it sleeps or computes."""

import os
import time

import bentoml

BURN = os.environ.get("BURN") == "1"
A, B = float(os.environ.get("A", "0.010")), float(os.environ.get("B", "0.0001"))
SIZE, LATENCY = int(os.environ.get("SIZE", "32")), int(os.environ.get("LATENCY", "60000"))


def work(n: int) -> None:
    took = A + B * n
    if not BURN:
        time.sleep(took)
        return
    end = time.perf_counter() + took
    while time.perf_counter() < end:
        pass


@bentoml.service(traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Model:
    @bentoml.api(batchable=True, max_batch_size=SIZE, max_latency_ms=LATENCY)
    def encode(self, xs: list[int]) -> list[int]:
        work(len(xs))
        return [2 * x for x in xs]
