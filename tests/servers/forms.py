"""Forms with files, byte by byte."""

from __future__ import annotations

from dataclasses import dataclass

BOUNDARY = b"frontier"


@dataclass(frozen=True)
class Part:
    """A part of a form. `filename` stands in its header as it is."""

    name: str | None
    data: bytes | str
    filename: str | None = None
    headers: bytes = b""

    @property
    def bytes(self) -> bytes:
        disposition = b"Content-Disposition: form-data"
        for parameter, value in (("name", self.name), ("filename", self.filename)):
            if value is not None:
                disposition += f'; {parameter}="{value}"'.encode()
        data = self.data.encode() if isinstance(self.data, str) else self.data
        return b"--%b\r\n%b\r\n%b\r\n%b\r\n" % (BOUNDARY, disposition, self.headers, data)


END = b"--%b--\r\n" % BOUNDARY
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}


def file(data: bytes | str = "Hello.", filename: str | None = "hello.txt", name: str = "file") -> Part:
    """The part that is the file."""
    return Part(name, data, filename)


def form(*parts: Part) -> bytes:
    """A whole form."""
    return b"".join(part.bytes for part in parts) + END
