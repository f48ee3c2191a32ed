"""Calls a service over gRPC with Triton's client, which sends raw elements, and prints the results."""

import json
import sys

import numpy as np
import tritonclient.grpc as triton

texts = ["one sentence", "zwei Sätze", ""]


def failing(call):
    try:
        return str(call())
    except triton.InferenceServerException as error:
        return f"{error.status()} {error.message()}"


client = triton.InferenceServerClient(sys.argv[1])


def tensor(name, datatype, values):
    found = triton.InferInput(name, list(values.shape), datatype)
    found.set_data_from_numpy(values)
    return found


encoded = np.array([text.encode() for text in texts], dtype=object)
result = client.infer("encode", [tensor("texts", "BYTES", encoded)], request_id="7", client_timeout=30, compression_algorithm="gzip")
vectors = result.as_numpy("output")
answers = {
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "model ready": client.is_model_ready("encode", "1.2"),
    "server": client.get_server_metadata(as_json=True),
    "model": client.get_model_metadata("encode", as_json=True),
    "no model": failing(lambda: client.get_model_metadata("no")),
    "no version": failing(lambda: client.get_model_metadata("encode", "7")),
    "wrong type": failing(lambda: client.infer("encode", [tensor("texts", "FP32", np.ones(1, np.float32))])),
    "deflate": failing(lambda: client.infer("encode", [tensor("texts", "BYTES", encoded)], compression_algorithm="deflate")),
    "not there": failing(lambda: client.get_model_repository_index()),
    "encode": [str(vectors.dtype), vectors.shape[0], result.get_response().id],
    "vectors": vectors[:, :9].tolist(),
}
print(json.dumps(answers, sort_keys=True))
