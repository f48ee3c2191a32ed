"""The model on LitServe: 10 ms and 0.1 ms an item, it sleeps or computes."""

import os
import sys
import time

import litserve as ls

BURN = os.environ.get("BURN") == "1"
A, B = 0.010, 0.0001


class Model(ls.LitAPI):
    def setup(self, device):
        pass

    def decode_request(self, request):
        return request["xs"][0]

    def batch(self, inputs):
        return inputs

    def predict(self, xs):
        took = A + B * len(xs)
        if BURN:
            end = time.perf_counter() + took
            while time.perf_counter() < end:
                pass
        else:
            time.sleep(took)
        return [2 * x for x in xs]

    def unbatch(self, output):
        return output

    def encode_response(self, output):
        return [output]


if __name__ == "__main__":
    api = Model(max_batch_size=32, batch_timeout=0.005, api_path="/encode")
    ls.LitServer(api, accelerator="cpu", timeout=60).run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
