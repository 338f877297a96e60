"""What the researcher looks things up in: folders of documents, indexed for words."""

from graph.library.folder import SAMPLE_LIBRARY, FolderLibrary

__all__ = ["SAMPLE_LIBRARY", "FolderLibrary"]
