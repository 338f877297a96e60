"""robots.txt, by the examples of RFC 9309 and the habits of real sites."""

from __future__ import annotations

import pytest

from agents.tools.web.robots import MAX_BYTES, read


def allowed(text: str, path: str, product: str = "CortexFlow") -> bool:
    return read(text.encode(), product).allow(path)


def rule(pattern: str, path: str) -> bool:
    """Whether `Disallow: pattern` keeps us from the path."""
    return not allowed(f"User-agent: *\nDisallow: {pattern}", path)


@pytest.mark.parametrize("text", ["", "\n", "Disallow: /", "nonsense", "<html><p>404: /</p></html>", "User-agent: *"])
def test_who_asks_for_nothing_gets_nothing(text: str) -> None:
    assert allowed(text, "/")


def test_an_empty_rule_allows_all() -> None:
    assert allowed("User-agent: *\nDisallow:", "/anything")


@pytest.mark.parametrize(
    "own",
    ["CortexFlow", "cortexflow", "CORTEXFLOW", "CortexFlow/1.0", "CortexFlow bot"],
)
def test_our_own_group_wins_over_everybodys(own: str) -> None:
    text = f"User-agent: *\nDisallow: /\n\nUser-agent: {own}\nDisallow: /private"
    assert allowed(text, "/public")
    assert not allowed(text, "/private/x")


@pytest.mark.parametrize("other", ["GPTBot", "Cortex", "CortexFlowBot", "xCortexFlow"])
def test_groups_of_others_are_not_ours(other: str) -> None:
    assert allowed(f"User-agent: {other}\nDisallow: /", "/")


def test_groups_with_several_names_and_several_groups_of_one_name() -> None:
    text = "User-agent: a\nUser-agent: cortexflow\nDisallow: /one\n\nUser-agent: b\nDisallow: /\n\nUser-agent: cortexflow\nDisallow: /two"
    assert not allowed(text, "/one")
    assert not allowed(text, "/two")
    assert allowed(text, "/three")


def test_an_own_group_without_rules_allows_all() -> None:
    assert allowed("User-agent: CortexFlow\n\nUser-agent: *\nDisallow: /", "/x") is False, "two names of one group"
    assert allowed("User-agent: CortexFlow\nDisallow:\n\nUser-agent: *\nDisallow: /", "/x")


def test_lines_are_read_leniently() -> None:
    text = "\ufeffUSER-AGENT : * # everybody\r\nCrawl-delay: 10\r\nSitemap: https://x/y\r\n  disallow:/a # no\r\nDisallow /b\r\n"
    assert not allowed(text, "/a")
    assert allowed(text, "/b")


def test_the_longest_rule_wins_and_allow_among_equals() -> None:
    text = "User-agent: *\nDisallow: /\nAllow: /public\nDisallow: /public/not\nAllow: /same\nDisallow: /same"
    assert not allowed(text, "/other")
    assert allowed(text, "/public/page")
    assert not allowed(text, "/public/not/this")
    assert allowed(text, "/same")


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("/fish", "/fish.html", True),
        ("/fish", "/Fish.asp", False),
        ("/fish", "/catfish", False),
        ("/fish*", "/fishheads/yummy", True),
        ("/fish/", "/fish", False),
        ("/fish/", "/fish/?id=5", True),
        ("/*.php", "/folder/any.php.file", True),
        ("/*.php", "/windows.PHP", False),
        ("/*.php$", "/filename.php", True),
        ("/*.php$", "/filename.php?parameters", False),
        ("/*.php$", "/filename.php5", False),
        ("/fish*.php", "/fishheads/catfish.php?parameters", True),
        ("/$", "/", True),
        ("/$", "/x", False),
        ("*", "/x", True),
        ("*/x$", "/a/x", True),
        ("/a*b*c$", "/abc", True),
        ("/a*b*c$", "/abcb", False),
        ("/ab*b$", "/ab", False),
        ("/*?*print=", "/page?x=1&print=1", True),
        ("/a%3cd.html", "/a%3Cd.html", True),
        ("/a%2Fb", "/a/b", False),
        ("/%7Ejoe/", "/~joe/index.html", True),
        ("/foo/bar/ツ", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz", True),
        ("example", "/example", False),
    ],
)
def test_patterns(pattern: str, path: str, fits: bool) -> None:
    assert rule(pattern, path) is fits


def test_a_hostile_file_is_read_in_no_time() -> None:
    """With a backtracking matcher this would take until the end of the world."""
    pattern = "/" + "*a" * 1000 + "*b$"
    assert not rule(pattern, "/" + "a" * 2000)
    assert allowed("User-agent: *\nDisallow: /x\n" + "#" * MAX_BYTES + "\nDisallow: /", "/y"), "read as far as one must"


def test_bytes_that_are_no_text() -> None:
    assert not read(b"\xff\xfe\nUser-agent: *\nDisallow: /\xff\nDisallow: /x", "CortexFlow").allow("/x")
