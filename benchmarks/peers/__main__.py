"""Installs the peers, each in an environment of its own: `python -m benchmarks.peers`, or `uv run poe bench-peers`."""

from __future__ import annotations

from benchmarks.peers import PEERS


def main() -> None:
    for peer in PEERS.values():
        peer.install()
        print(f"{peer.title} {peer.version}: {peer.environment}")


if __name__ == "__main__":
    main()
