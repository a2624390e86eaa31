"""Search and ingest as a web service: async, with one environment variable for the database.

    uvicorn --app-dir examples --workers 3 fastapi_app:app

``VSTORE_URL`` names the database, such as postgresql://user:password@host/db, or a store of ``vstore.toml``. Each
worker connects in its own event loop when it starts, and closes when it ends; requests that run are answered before.

``PUT /documents`` takes documents, ``GET /search?q=…`` finds the nearest, ``GET /health`` tells whether the database
answers. In place of ``embed.lexical`` put the embedder of your model.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

import vstore
from vstore import embed
from vstore.aio import AsyncCollection

COLLECTION = "articles"
STATUS = {
    vstore.InvalidInput: 422,
    vstore.LimitExceeded: 422,
    vstore.Unsupported: 422,
    vstore.Unavailable: 503,
    vstore.Timeout: 504,
}


class Document(BaseModel):
    """One document to be kept."""

    id: str
    text: str = Field(min_length=1)
    metadata: dict[str, str | bool | int | float | list[str]] = {}


class Batch(BaseModel):
    """Documents of one request."""

    documents: list[Document] = Field(min_length=1, max_length=1000)


class Written(BaseModel):
    """How many documents were kept."""

    written: int


class Found(BaseModel):
    """One hit; a higher score is nearer."""

    id: str
    score: float
    text: str | None
    metadata: dict[str, Any]


class Answer(BaseModel):
    """The hits, the nearest first."""

    hits: list[Found]
    worker: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Connects in the event loop of this worker, and closes behind the last answer."""
    async with vstore.aio.connect(timeout=10, retries=2) as store:
        app.state.store = store
        app.state.collection = await store.create_collection(COLLECTION, embedder=embed.lexical(512), exist_ok=True)
        yield


app = FastAPI(title="Search", lifespan=lifespan)


def collection(request: Request) -> AsyncCollection:
    """The collection of this worker."""
    found: AsyncCollection = request.app.state.collection
    return found


Articles = Annotated[AsyncCollection, Depends(collection)]


@app.put("/documents")
async def ingest(batch: Batch, articles: Articles) -> Written:
    """Keeps documents; one whose id is there is replaced."""
    documents = batch.documents
    await articles.upsert(
        [one.id for one in documents],
        documents=[one.text for one in documents],
        metadatas=[one.metadata for one in documents],
    )
    return Written(written=len(documents))


@app.get("/search")
async def search(
    articles: Articles,
    q: Annotated[str, Query(min_length=1)],
    k: Annotated[int, Query(ge=1, le=100)] = 10,
    lang: str | None = None,
) -> Answer:
    """Finds the documents nearest to a text, those of one language where it is given."""
    where = None if lang is None else vstore.F("lang") == lang
    hits = await articles.query(text=q, k=k, where=where)
    found = [Found(id=hit.id, score=hit.score, text=hit.document, metadata=hit.metadata or {}) for hit in hits]
    return Answer(hits=found, worker=os.getpid())


@app.get("/health")
async def health(request: Request) -> dict[str, str]:
    """Tells whether the database answers."""
    await request.app.state.store.ping()
    return {"status": "ok"}


@app.exception_handler(vstore.VStoreError)
async def tell(_: Request, error: vstore.VStoreError) -> JSONResponse:
    """Answers with the error's own words, which hold no secret, and the status that fits its kind."""
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    return JSONResponse({"error": str(error), "retryable": error.retryable}, status)
