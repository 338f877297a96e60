"""Other servers that the same rows can measure, by name. To add one, write a folder with its `requirements.txt` and a
`PEER`, and name it here."""

from __future__ import annotations

from typing import Final

from benchmarks.peers import litellm, naive

PEERS: Final = {peer.name: peer for peer in (litellm.PEER, naive.PEER)}
