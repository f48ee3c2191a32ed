"""all-MiniLM-L6-v2 on ONNX Runtime, as both services and loop.py call it.

The graph ends with the mean over the tokens and the scaling to length 1, so no service does that.
"""

import os

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

FOLDER = os.environ["MINILM_FOLDER"]
THREADS = int(os.environ["MINILM_THREADS"])
GROUP = os.environ.get("MODEL_GROUP") == "1"
ROWS = 32  # of a run
TOKENS = 256  # of a text
DIMENSIONS = 384


class Model:
    def __init__(self) -> None:
        self.tokenizer = Tokenizer.from_file(os.path.join(FOLDER, "tokenizer.json"))
        self.tokenizer.enable_truncation(TOKENS)
        self.tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        self.session = onnxruntime.InferenceSession(
            os.path.join(FOLDER, "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def embed(self, texts: list[str]) -> np.ndarray:
        rows = [encoded.ids for encoded in self.tokenizer.encode_batch(texts)]
        vectors = np.empty((len(rows), DIMENSIONS), np.float32)
        for group in groups([len(row) for row in rows]):
            vectors[group] = self.run([rows[i] for i in group])
        return vectors

    def run(self, rows: list[list[int]]) -> np.ndarray:
        shape = (len(rows), max(map(len, rows)))
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        return self.session.run(None, {"input_ids": ids, "attention_mask": mask})[0]


def groups(lengths: list[int]) -> list[list[int]]:
    """The rows of each run: by length, as sentence-transformers does it. With GROUP, a run
    also ends where padding would be more than a quarter of it, as in examples/embeddings."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    found: list[list[int]] = []
    real = 0
    for i in order:
        rows = len(found[-1]) if found else ROWS
        padded = (rows + 1) * lengths[i]
        if rows == ROWS or GROUP and 4 * (padded - real - lengths[i]) > padded:
            found.append([])
            real = 0
        found[-1].append(i)
        real += lengths[i]
    return found
