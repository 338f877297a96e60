"""The bundled vocabularies of tiktoken, and what turns text into their tokens."""

from graph.vocabularies.boundaries import LONGEST
from graph.vocabularies.codec import Codec, FourCharacters, Vocabulary
from graph.vocabularies.files import load, read

__all__ = ["LONGEST", "Codec", "FourCharacters", "Vocabulary", "load", "read"]
