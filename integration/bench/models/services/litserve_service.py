"""The model on LitServe. A list of texts gives a list of vectors."""

import os
import sys

import litserve as ls

from model import ROWS, Model


class Embedder(ls.LitAPI):
    def setup(self, device):
        self.model = Model()

    def decode_request(self, request):
        return request["texts"]

    def batch(self, inputs):
        return inputs

    def predict(self, lists):
        vectors = self.model.embed([text for texts in lists for text in texts])
        parts, at = [], 0
        for texts in lists:
            parts.append(vectors[at : at + len(texts)])
            at += len(texts)
        return parts

    def unbatch(self, output):
        return output

    def encode_response(self, output):
        return output.tolist()


if __name__ == "__main__":
    api = Embedder(max_batch_size=ROWS, batch_timeout=float(os.environ["LITSERVE_WAIT"]), api_path="/encode")
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=60, fast_queue=os.environ.get("LITSERVE_FAST") == "1")
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
