"""Writes a directory with the version of chromadb of its own environment: imports nothing of this project.

Called with the directory; prints, as JSON, the ids in the order in which that version finds them, by collection.
"""

import json
import sys

import chromadb

IDS = ["a", "b", "c", "d", "e"]
VECTORS = [[1.0, 0.0, 0.0], [10.0, 1.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 3.0], [2.0, 2.0, 2.0]]
QUERY = [1.0, 0.2, 0.1]
SETTINGS = {
    "plain": None,
    "cosine": {"hnsw:space": "cosine"},
    "dot": {"hnsw:space": "ip"},
    "told_l2": {"hnsw:space": "l2"},
    "settings": {"hnsw:space": "cosine", "hnsw:M": 8, "hnsw:construction_ef": 40, "hnsw:search_ef": 30},
    "forgotten": {"hnsw:space": "cosine"},
}


def main(path: str) -> None:
    client = chromadb.PersistentClient(path)
    found = {}
    for name, metadata in SETTINGS.items():
        collection = client.create_collection(name, metadata=metadata, embedding_function=None)
        collection.add(ids=IDS, embeddings=VECTORS, documents=IDS)
        if name == "forgotten":
            collection.modify(metadata={"purpose": "none"})
        found[name] = collection.query(query_embeddings=[QUERY], n_results=5)["ids"][0]
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
