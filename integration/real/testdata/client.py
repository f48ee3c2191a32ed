"""Calls a service with BentoML's own client, and prints the results."""

import json
import sys

import bentoml

answers = {}
with bentoml.SyncHTTPClient(sys.argv[1]) as client:
    calls = {
        "summarize": lambda: client.summarize(text="hello"),
        "default": lambda: client.summarize(),
        "encode": lambda: client.encode(texts=["a", "bb"]),
        "empty": lambda: client.encode(texts=[]),
        "score": lambda: client.score(xs=[1.5, 2]),
        "call": lambda: client.call("summarize", text="by name"),
        "ready": lambda: client.is_ready(),
        "boom": lambda: client.summarize(text="boom"),
        "wrong": lambda: client.summarize(text=4),
        "unknown": lambda: client.nobody(text="x"),
    }
    for name, call in calls.items():
        try:
            answers[name] = call()
        except Exception as error:
            answers[name] = f"{type(error).__name__} {getattr(error, 'error_code', '')}"
    answers["endpoints"] = sorted(client.endpoints)
print(json.dumps(answers, sort_keys=True))
