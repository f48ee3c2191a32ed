"""The service that the twin copies, for the real BentoML."""

from __future__ import annotations

import os
import time

import bentoml
from prometheus_client import Counter, Gauge, Histogram, Summary

requests = Counter("summary_requests_total", "Total number of summarization requests", ["status"])
seconds = Histogram(
    "inference_time_seconds",
    "Time taken for summarization inference",
    ["status"],
    buckets=(0.1, 0.2, 0.5, 1, 2, 5, 10, float("inf")),
)
model = Histogram("bentoml_service_model_inferencing_duration_seconds", "Time taken by the model", buckets=(0.05, 0.1, 0.2, 0.4, float("inf")))
size = Summary("response_size_bytes", "Response size in bytes", ["endpoint"])
queue = Gauge("queue_depth", "Items waiting", ["lane"], multiprocess_mode="livesum")


@bentoml.service(name="Summarization", traffic={"timeout": 5}, metrics={"enabled": True, "namespace": os.environ.get("NAMESPACE", "bentoml_service")}, workers=1)
class Summarization:
    @bentoml.api
    def summarize(self, text: str = "hello") -> str:
        if text == "boom":
            requests.labels(status="failure").inc()
            raise ValueError("boom")
        if text.startswith("sleep:"):
            time.sleep(float(text.removeprefix("sleep:")))
        requests.labels(status="success").inc()
        seconds.labels(status="success").observe(0.15)
        model.observe(0.08)
        size.labels(endpoint="summarize").observe(len(text))
        queue.labels(lane='a"b\\c\nd').set(3)
        return text.upper()

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=1000)
    def encode(self, texts: list[str]) -> list[int]:
        time.sleep(0.01)
        return [len(text) for text in texts]

    @bentoml.api(batchable=True, max_batch_size=8, max_latency_ms=1000, route="/v1/score")
    def score(self, xs: list[float]) -> list[float]:
        return [x * 2 for x in xs]
