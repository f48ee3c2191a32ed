"""Calls a service over gRPC with MLServer's client, which sends typed elements, and over HTTP with its command,
and prints the results."""

import json
import pathlib
import subprocess
import sys
import tempfile

import grpc
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.grpc import converters
from mlserver.grpc.dataplane_pb2_grpc import GRPCInferenceServiceStub
from mlserver.types import InferenceRequest

address = sys.argv[1]
texts = ["one sentence", "zwei Sätze", ""]

stub = GRPCInferenceServiceStub(grpc.insecure_channel(address))
request = InferenceRequest(id="8", inputs=[StringCodec.encode_input("texts", texts)])
message = converters.ModelInferRequestConverter.from_types(request, model_name="encode", model_version="1.2")
response = converters.ModelInferResponseConverter.to_types(stub.ModelInfer(message, timeout=30))
vectors = NumpyCodec.decode_output(response.outputs[0])
answers = {
    "encode": [str(vectors.dtype), vectors.shape[0], response.id],
    "vectors": vectors[:, :9].tolist(),
}
message.inputs[0].ClearField("contents")
try:
    answers["no contents"] = str(stub.ModelInfer(message))
except grpc.RpcError as error:
    answers["no contents"] = f"{error.code()} {error.details()}"

# The command sends the requests of a file.
folder = pathlib.Path(tempfile.mkdtemp())
lines = [{"id": str(i), "inputs": [{"name": "texts", "datatype": "BYTES", "shape": [1], "data": [text]}]} for i, text in enumerate(texts)]
(folder / "in").write_text("\n".join(map(json.dumps, lines)) + "\n")
command = pathlib.Path(sys.executable).parent / "mlserver"
subprocess.run([command, "infer", "-u", address, "-m", "encode", "-i", folder / "in", "-o", folder / "out", "-s", "2"], check=True, capture_output=True, timeout=60)
found = {line["id"]: line["outputs"][0]["data"] for line in map(json.loads, (folder / "out").read_text().splitlines())}
answers["by the command"] = [found[str(i)][:9] for i in range(len(texts))]
print(json.dumps(answers, sort_keys=True))
