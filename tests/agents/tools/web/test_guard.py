"""The guard against every trick we know: how an address may be written, and where it may lead."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from agents.tools.pages import MAX_CHARACTERS
from agents.tools.web.fetch import Fetcher, NotFetched
from agents.tools.web.guard import Blocked, Guard
from tests.agents.tools.web.site import Answer, Site

PRIVATE = "private or reserved network"
NUMBERS = "four decimal numbers"
PORT = "ports 80 and 443"
SCHEME = "http:// or https://"

ATTACKS: list[tuple[str, str]] = [
    ("http://127.0.0.1/", PRIVATE),
    ("http://127.8.8.8/", PRIVATE),
    ("https://127.0.0.1:443/", PRIVATE),
    ("http://0.0.0.0/", PRIVATE),
    ("http://10.1.2.3/", PRIVATE),
    ("http://172.16.0.1/", PRIVATE),
    ("http://192.168.1.1/", PRIVATE),
    ("http://100.64.0.1/", PRIVATE),
    ("http://169.254.1.1/", PRIVATE),
    ("http://224.0.0.1/", PRIVATE),
    ("http://255.255.255.255/", PRIVATE),
    ("http://127.0.0.1./", PRIVATE),
    # metadata of clouds
    ("http://169.254.169.254/latest/meta-data/iam/security-credentials/", PRIVATE),
    ("http://169.254.170.2/v2/credentials", PRIVATE),
    ("http://100.100.100.200/latest/meta-data/", PRIVATE),
    ("http://192.0.0.192/opc/v1/instance/", PRIVATE),
    ("http://168.63.129.16/machine?comp=goalstate", PRIVATE),
    ("http://[fd00:ec2::254]/latest/meta-data/", PRIVATE),
    # numbers written otherwise
    ("http://2130706433/", NUMBERS),
    ("http://0x7f000001/", NUMBERS),
    ("http://0X7F000001/", NUMBERS),
    ("http://017700000001/", NUMBERS),
    ("http://0177.0.0.1/", NUMBERS),
    ("http://0x7f.0.0.1/", NUMBERS),
    ("http://127.1/", NUMBERS),
    ("http://127.0.1/", NUMBERS),
    ("http://0/", NUMBERS),
    ("http://127.0.0.01/", NUMBERS),
    ("http://127.0.0.0x1/", NUMBERS),
    ("http://0x/", NUMBERS),
    ("http://1.1.1.1.1/", NUMBERS),
    ("http://2130706433./", NUMBERS),
    ("http://0251.0376.0251.0376/", NUMBERS),
    ("http://a.b.0x7f/", NUMBERS),
    ("http://%31%32%37.0.0.1/", NUMBERS),
    ("http://999.1.1.1/", PRIVATE),
    # letters that become numbers
    ("http://１２７.０.０.１/", PRIVATE),
    ("http://①②⑦.⓪.⓪.①/", PRIVATE),
    ("http://127。0。0。1/", PRIVATE),
    ("http://⑯⑨。②⑤④。⑯⑨｡②⑤④/", PRIVATE),
    # IPv6
    ("http://[::1]/", PRIVATE),
    ("http://[::]/", PRIVATE),
    ("http://[0:0:0:0:0:0:0:1]/", PRIVATE),
    ("http://[::ffff:127.0.0.1]/", PRIVATE),
    ("http://[::ffff:7f00:1]/", PRIVATE),
    ("http://[::ffff:169.254.169.254]/", PRIVATE),
    ("http://[::127.0.0.1]/", PRIVATE),
    ("http://[64:ff9b::127.0.0.1]/", PRIVATE),
    ("http://[64:ff9b:1::a00:1]/", PRIVATE),
    ("http://[2002:7f00:1::]/", PRIVATE),
    ("http://[2001:0:7f00:1::]/", PRIVATE),
    ("http://[fe80::1]/", PRIVATE),
    ("http://[fe80::1%25eth0]/", PRIVATE),
    ("http://[fc00::1]/", PRIVATE),
    ("http://[ff02::1]/", PRIVATE),
    # ports
    ("http://example.com:22/", PORT),
    ("http://example.com:8080/", PORT),
    ("https://example.com:8443/", PORT),
    ("http://example.com:0/", PORT),
    ("http://1.1.1.1:6379/", PORT),
    # schemes
    ("file:///etc/passwd", SCHEME),
    ("ftp://example.com/", SCHEME),
    ("gopher://example.com:70/_x", SCHEME),
    ("data:text/html,hello", SCHEME),
    ("javascript:alert(1)", SCHEME),
    ("ws://example.com/", SCHEME),
    ("unix:///var/run/docker.sock", SCHEME),
    ("//example.com/", SCHEME),
    ("example.com", SCHEME),
    ("/etc/passwd", SCHEME),
    ("", SCHEME),
    # names and passwords
    ("http://user:password@example.com/", "user name or a password"),
    ("http://user@example.com/", "user name or a password"),
    ("http://:password@example.com/", "user name or a password"),
    ("http://example.com@127.0.0.1/", "user name or a password"),
    ("http://@127.0.0.1/", PRIVATE),
    ("http://127.0.0.1#@example.com/", PRIVATE),
    ("http://127.0.0.1?@example.com/", PRIVATE),
    # no addresses
    ("http://", "no host"),
    ("http:///path", "no host"),
    ("http:/127.0.0.1/", "no host"),
    ("http:127.0.0.1", "no host"),
    ("http://./", "no host"),
    ("http://example.com:80:80/", "no address of a web page"),
    ("http://example.com:99999/", "no address of a web page"),
    ("http://example.com:port/", "no address of a web page"),
    ("http://example.com\\@127.0.0.1/", "no address of a web page"),
    ("http://[::1/", "no address of a web page"),
    ("http://exam\nple.com/", "control characters"),
    ("http://example.com/\r\nX-Header: 1", "control characters"),
    ("http://example.com/\x00", "control characters"),
    ("http://example.com/" + "a" * MAX_CHARACTERS, "longer than"),
]


@pytest.mark.parametrize(("address", "told"), ATTACKS, ids=[f"{n}" for n in range(len(ATTACKS))])
async def test_an_address_that_is_refused_as_it_is_written(address: str, told: str) -> None:
    with pytest.raises(Blocked, match=told):
        Guard().check(address)
    fetcher = Fetcher(Guard())
    with pytest.raises(NotFetched, match=told):
        await fetcher.fetch(address)
    await fetcher.close()


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("http://example.com", "http://example.com"),
        (" https://example.com:443/a?b=c#d ", "https://example.com/a?b=c"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("HTTP://EXAMPLE.com/", "http://example.com/"),
        ("http://1.1.1.1/", "http://1.1.1.1/"),
        ("http://[2606:4700:4700::1111]/", "http://[2606:4700:4700::1111]/"),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ("https://7.example.com/7", "https://7.example.com/7"),
        ("https://0x.example/", "https://0x.example/"),
    ],
)
def test_ordinary_addresses(address: str, asked: str) -> None:
    assert str(Guard().check(address)) == asked


def test_exempt_is_one_address_at_one_port() -> None:
    guard = Guard([("127.0.0.1", 8888)])
    assert str(guard.check("http://127.0.0.1:8888/x")) == "http://127.0.0.1:8888/x"
    for address in ("http://127.0.0.1/", "http://127.0.0.1:8889/", "http://127.0.0.2:8888/"):
        with pytest.raises(Blocked):
            guard.check(address)
    with pytest.raises(Blocked, match=PORT):
        guard.check("http://1.1.1.1:8888/")


class Names(AbstractResolver):
    """A resolver that says what a test has written. A name with several answers gives one each time it is asked."""

    def __init__(self, **names: list[list[str]]) -> None:
        self._names = names
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answers = self._names.get(host.partition(".")[0])
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing to give back."""


async def fetched(guard: Guard, address: str) -> bytes:
    fetcher = Fetcher(guard)
    try:
        return (await fetcher.fetch(address)).body
    finally:
        await fetcher.close()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
        "fe80::1",
        "fd00:ec2::254",
    ],
)
async def test_a_name_that_leads_inside(address: str) -> None:
    for name in ("inside.example", "localhost", "metadata.google.internal"):
        guard = Guard(resolver=Names(**{name.partition(".")[0]: [[address]]}))
        with pytest.raises(NotFetched, match=PRIVATE):
            await fetched(guard, f"http://{name}/")


async def test_a_name_with_several_addresses_leads_to_the_one_that_may_be_asked(site: Site) -> None:
    site.answers["/"] = Answer("public")
    guard = Guard([site.address], Names(mixed=[["10.0.0.1", "127.0.0.1", "::1"]]))
    assert await fetched(guard, f"http://mixed.example:{site.port}/") == b"public"
    with pytest.raises(NotFetched, match=PRIVATE):
        await fetched(Guard(resolver=Names(inside=[["10.0.0.1", "::1", "10.0.0.2"]])), "http://inside.example/")


async def test_a_name_that_means_something_else_the_second_time(site: Site) -> None:
    """DNS rebinding: robots.txt comes from outside, the page would come from inside."""
    site.answers["/robots.txt"] = Answer(status=404, close=True)
    names = Names(rebound=[["127.0.0.1"], ["169.254.169.254"]])
    with pytest.raises(NotFetched, match=PRIVATE):
        await fetched(Guard([site.address], names), f"http://rebound.example:{site.port}/latest/meta-data/")
    assert names.asked == ["rebound.example"] * 2
    assert site.paths == []


async def test_a_name_that_means_nothing() -> None:
    with pytest.raises(NotFetched, match="no site of that name"):
        await fetched(Guard(resolver=Names()), "http://nobody.example/")


async def test_names_are_asked_of_the_system(site: Site) -> None:
    site.answers["/"] = Answer("at home")
    assert await fetched(Guard([site.address]), f"http://localhost:{site.port}/") == b"at home"
    with pytest.raises(NotFetched, match=PRIVATE):
        await fetched(Guard(), "http://localhost/")


async def test_an_exempt_port_opens_no_other_address(site: Site) -> None:
    names = Names(other=[["127.0.0.2"]], public=[["1.1.1.1"]])
    with pytest.raises(NotFetched, match=PRIVATE):
        await fetched(Guard([site.address], names), f"http://other.example:{site.port}/")
    with pytest.raises(NotFetched, match=PORT):
        await fetched(Guard([site.address], names), f"http://public.example:{site.port}/")


REDIRECTS: list[tuple[str | Callable[[Site], str], str]] = [
    ("http://127.0.0.1/", PRIVATE),
    ("http://10.0.0.1/admin", PRIVATE),
    ("http://169.254.169.254/latest/meta-data/", PRIVATE),
    ("//192.168.0.1/", PRIVATE),
    ("http://2130706433/", NUMBERS),
    ("http://0x7f.1/", NUMBERS),
    ("http://[::ffff:10.0.0.1]/", PRIVATE),
    ("http://inside.example/", PRIVATE),
    (lambda site: f"http://127.0.0.2:{site.port}/", PRIVATE),
    (lambda site: f"http://user:password@127.0.0.1:{site.port}/", "user name or a password"),
    ("http://example.com:22/", PORT),
    ("file:///etc/passwd", SCHEME),
    ("ftp://example.com/", SCHEME),
    ("javascript:alert(1)", SCHEME),
    ("http://[::1", "no address of a web page"),
]


@pytest.mark.parametrize(("to", "told"), REDIRECTS, ids=[f"{n}" for n in range(len(REDIRECTS))])
@pytest.mark.parametrize("path", ["/page", "/robots.txt"])
async def test_redirects_are_looked_at_like_any_address(
    site: Site, path: str, to: str | Callable[[Site], str], told: str
) -> None:
    site.redirect(path, to if isinstance(to, str) else to(site))
    guard = Guard([site.address], Names(inside=[["10.0.0.1"]]))
    with pytest.raises(NotFetched, match=told):
        await fetched(guard, f"{site.url}/page")
    assert len(site.asked) <= 2
