"""The model on BentoML. A list of texts gives a list of vectors."""

import bentoml
import numpy as np

from model import ROWS, Model


@bentoml.service(workers=1, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Embedder:
    def __init__(self) -> None:
        self.model = Model()

    @bentoml.api(batchable=True, max_batch_size=ROWS, max_latency_ms=60000)
    def encode(self, texts: list[str]) -> np.ndarray:
        return self.model.embed(texts)
