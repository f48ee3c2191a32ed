"""Calls streams with BentoML's own clients, and prints what they return."""

import asyncio
import json
import sys

import bentoml

# Calls with pauses return chunk by chunk. A client may join chunks without pauses.
CALLS = {
    "chunks": ("words", {"text": "a b c", "pause": 0.3}),
    "words": ("words", {"text": "a b c"}),
    "none": ("words", {"text": ""}),
    "sync": ("words_sync", {"text": "käse brot"}),
    "objects": ("objects", {"text": "a b"}),
    "numbers": ("numbers", {"count": 12}),
    "events": ("events", {"text": "a b"}),
    "fails at once": ("words", {"text": "boom"}),
    "wrong": ("words", {"text": 4}),
    "missing": ("numbers", {}),
}


def result(name, chunks):
    return chunks if name == "chunks" else "".join(chunks)


def failure(error):
    return f"{type(error).__name__} {getattr(error, 'error_code', '')}"


answers = {}
with bentoml.SyncHTTPClient(sys.argv[1]) as client:
    for name, (method, arguments) in CALLS.items():
        try:
            answers[name] = result(name, list(getattr(client, method)(**arguments)))
        except Exception as error:
            answers[name] = failure(error)
    stream = client.words(text="a b c", pause=0.3)
    answers["left"] = next(stream)
    stream.close()
    answers["after"] = "".join(client.words(text="again"))


async def asynchronous():
    async with bentoml.AsyncHTTPClient(sys.argv[1]) as client:
        for name, (method, arguments) in CALLS.items():
            try:
                answers["async " + name] = result(name, [chunk async for chunk in getattr(client, method)(**arguments)])
            except Exception as error:
                answers["async " + name] = failure(error)


asyncio.run(asynchronous())
print(json.dumps(answers, sort_keys=True))
