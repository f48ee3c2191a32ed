"""The streams of the service Kinds that the twin copies, for the real BentoML."""

from __future__ import annotations

import asyncio
import typing as t

import bentoml
import pydantic


class Word(pydantic.BaseModel):
    word: str
    index: int


@bentoml.service(name="Kinds", traffic={"timeout": 5}, workers=1)
class Kinds:
    @bentoml.api
    async def words(self, text: str, pause: float = 0.0) -> t.AsyncGenerator[str, None]:
        for word in text.split():
            if word == "boom":
                raise ValueError("boom")
            await asyncio.sleep(pause)
            yield word + " "

    @bentoml.api
    def words_sync(self, text: str) -> t.Generator[str, None, None]:
        for word in text.split():
            yield word + " "

    @bentoml.api
    async def objects(self, text: str) -> t.AsyncGenerator[Word, None]:
        for index, word in enumerate(text.split()):
            yield Word(word=word, index=index)

    @bentoml.api
    async def numbers(self, count: int) -> t.AsyncGenerator[int, None]:
        for index in range(count):
            yield index

    @bentoml.api
    async def events(self, text: str) -> t.AsyncGenerator[str, None]:
        for word in text.split():
            yield f"data: {word}\n\n"
