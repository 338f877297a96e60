"""What a program may try. Each is written so that it works where nothing holds it back, and so that every sandbox's Python
can read it; names in braces are filled in with what stands on the host.

Whether one has got out is seen on the host: by a secret in what it tells, a file that was made, a connection that came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ESCAPES: Final[Mapping[str, str]] = {
    "reads a file of the host": "print(open('{secret}').read())",
    "reads it by pathlib": "from pathlib import Path\nprint(Path('{secret}').read_text())",
    "reads it by the way up": "print(open('/mnt/data/../..{secret}').read())",
    "reads it from below a folder": "import os\nos.makedirs('/mnt/data/a')\nprint(open('/mnt/data/a/../../../..{secret}').read())",
    "changes to its folder": "import os\nos.chdir('{folder}')\nprint(open('secret.txt').read())",
    "reads it through a link": "import os\nos.symlink('{secret}', '/mnt/data/link')\nprint(open('/mnt/data/link').read())",
    "reads it through a link that is relative": (
        "import os\nos.symlink('../..{secret}', '/mnt/data/link')\nprint(open('/mnt/data/link').read())"
    ),
    "reads it through a link to the root": "import os\nos.symlink('/', '/mnt/data/r')\nprint(open('/mnt/data/r{secret}').read())",
    "links it hard": "import os\nos.link('{secret}', '/mnt/data/hard')\nprint(open('/mnt/data/hard').read())",
    "renames it": "import os\nos.rename('{secret}', '/mnt/data/mine')\nprint(open('/mnt/data/mine').read())",
    "looks through an open descriptor": (
        "import os\nfor n in range(64):\n    try:\n        print(open('/proc/self/fd/%d' % n + '{secret}').read())\n"
        "    except Exception:\n        pass"
    ),
    "reads through its own root": "print(open('/proc/self/root{secret}').read())",
    "reads through another's root": "print(open('/proc/{pid}/root{secret}').read())",
    "lists the host": "import os\nprint(os.listdir('{folder}'))",
    "writes to the host": "open('{folder}/made.txt', 'w').write('x')",
    "writes to the host by the way up": "open('/mnt/data/../..{folder}/made.txt', 'w').write('x')",
    "writes through a link": "import os\nos.symlink('{folder}', '/mnt/data/out')\nopen('/mnt/data/out/made.txt', 'w').write('x')",
    "removes a file of the host": "import os\nos.remove('{secret}')",
    "asks for its environment": "import os\nprint(dict(os.environ))",
    "asks for one variable": "import os\nprint(os.getenv('SANDBOX_SECRET'))",
    "reads the environment of its process": "print(open('/proc/self/environ').read())",
    "reads the environment of the server": "print(open('/proc/{pid}/environ').read())",
    "connects to the host": "import socket\nsocket.create_connection(('127.0.0.1', {port}), 2)",
    "connects to the host by IPv6": "import socket\nsocket.create_connection(('::1', {port}), 2)",
    "fetches from the host": "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:{port}/', timeout=2)",
    "runs a command": "import subprocess\nprint(subprocess.run(['cat', '{secret}'], capture_output=True).stdout)",
    "runs a command by the shell": "import os\nos.system('cat {secret} > /mnt/data/copy.txt')\nprint(open('/mnt/data/copy.txt').read())",
    "becomes another program": "import os\nos.execv('/bin/cat', ['cat', '{secret}'])",
    "calls into the C library": (
        "import ctypes\nlibc = ctypes.CDLL(None)\nfd = libc.open(b'{secret}', 0)\nbuffer = ctypes.create_string_buffer(99)\n"
        "libc.read(fd, buffer, 99)\nprint(buffer.value)"
    ),
    "climbs by its classes": (
        "for each in ().__class__.__base__.__subclasses__():\n    if each.__name__ == '_wrap_close':\n"
        "        print(each.__init__.__globals__['popen']('cat {secret}').read())"
    ),
    "evaluates its way out": "print(eval(\"__import__('os').popen('cat {secret}').read()\"))",
    "kills the server": "import os\nos.kill({pid}, 9)",
}
"""A program that gets out: the secret is told, a file stands beside it, or a connection comes in."""

EXHAUSTIONS: Final[Mapping[str, str]] = {
    "loops for ever": "while True:\n    pass",
    "sleeps": "import time\ntime.sleep(600)",
    "takes all memory at once": "x = bytearray(64 * 1024 ** 3)",
    "takes all memory bit by bit": "rows = []\nwhile True:\n    rows.append('a' * 100000)",
    "makes a number without end": "x = 2\nwhile True:\n    x = x ** x",
    "recurses for ever": "def f(n):\n    return f(n + 1)\nf(0)",
    "forks for ever": "import os\nwhile True:\n    os.fork()",
    "starts threads for ever": (
        "import threading, time\nwhile True:\n    threading.Thread(target=time.sleep, args=(600,)).start()"
    ),
    "fills the disk with one file": (
        "with open('/mnt/data/big', 'wb') as f:\n    for i in range(100000):\n        f.write(b'x' * 1000000)"
    ),
    "writes and removes for ever": (
        "import os\nwhile True:\n    open('/mnt/data/a', 'w').write('x')\n    os.remove('/mnt/data/a')"
    ),
    "fills the disk with many files": (
        "for i in range(100000):\n    with open('/mnt/data/f%d' % i, 'w') as f:\n        f.write('x')"
    ),
}
"""A program that takes more than it may: it ends as an error, soon, and the next one works."""

FLOODS: Final[Mapping[str, str]] = {
    "prints without end": "for i in range(10 ** 5):\n    print(i)",
    "prints one line without end": "print('y' * 10 ** 7)",
    "ends with a long value": "'y' * 10 ** 6",
    "ends with many values": "['z' * 100] * 10 ** 4",
}
"""A program that says more than anybody reads: it is cut, and nothing is wrong with it."""
