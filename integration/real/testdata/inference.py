"""Calls a service with Triton's client, over HTTP, and prints the results."""

import json
import sys

import numpy as np
import tritonclient.http as triton

client = triton.InferenceServerClient(sys.argv[1])


def tensor(name, datatype, values, binary=True):
    data = np.array(values, dtype=object if datatype == "BYTES" else triton.triton_to_np_dtype(datatype))
    found = triton.InferInput(name, list(data.shape), datatype)
    found.set_data_from_numpy(data, binary_data=binary)
    return found


def infer(model, *inputs, binary=True, **more):
    outputs = [triton.InferRequestedOutput("output", binary_data=binary)]
    return client.infer(model, list(inputs), outputs=outputs, **more)


def failing(call):
    try:
        return str(call())
    except triton.InferenceServerException as error:
        return f"{error.status()} {error.message()}"


texts = ["one sentence", "zwei Sätze", ""]
encoded = [text.encode() for text in texts]
answers = {
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "model ready": [client.is_model_ready("encode"), client.is_model_ready("no")],
    "server": client.get_server_metadata(),
    "model": client.get_model_metadata("encode"),
    "no model": failing(lambda: client.get_model_metadata("no")),
    "wrong type": failing(lambda: infer("encode", tensor("texts", "FP32", [1.0]))),
    "wrong name": failing(lambda: infer("encode", tensor("text", "BYTES", encoded))),
}
for binary in (True, False):
    for shape in ((3,), (3, 1)):
        result = infer("encode", tensor("texts", "BYTES", np.array(encoded, dtype=object).reshape(shape), binary), binary=binary, request_id="7")
        vectors = result.as_numpy("output")
        answers[f"encode {binary} {shape}"] = [str(vectors.dtype), vectors.shape[0], round(float(vectors.sum()), 3), result.get_response()["id"]]
for compression in ("gzip", "deflate"):
    text = tensor("text", "BYTES", [b"One. Two is longer than that. Three."])
    answers[compression] = failing(lambda: infer("summarize", text, request_compression_algorithm=compression).as_numpy("output")[0].decode())
print(json.dumps(answers, sort_keys=True))
