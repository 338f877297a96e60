"""Words of ordinary language: how a text is taken apart for searching and comparing, and which words say nothing.

Chinese, Japanese and Korean put no spaces between words, so a run of their characters counts as its pairs of
neighbours: 東京都 is 東京 and 京都.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

_STEM = 5
_WORD = re.compile(r"[^\W_]+")
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
_RUN = re.compile(f"[{_CJK}]+")
_RUN_OR_REST = re.compile(f"[{_CJK}]+|[^{_CJK}]+")

# English, Italian, German. Without the Italian "ai", which is what many questions are about.
_STOP_WORDS = """
    a about above after again all also am an and any are as at be because been before being between both but by can
    could d did do does doing done each else etc ever every few for from further get give given gives had has have
    having he her here hers him his how i if in into is it its itself just let ll m made make makes many may me might
    mine more most much must my no nor not now of off on once one only or other our ours out over own please quite
    re s said same say says shall she should so some such t than tell tells that the their them then there these they thing
    things this those through to too under until up upon us use used uses using ve very via want was way we were what
    when where whether which while who whom whose why will with within without would yes you your yours

    agli al alla alle allo anche ancora avere c che chi ci come con cosa cui da dagli dai dal dalla dalle dallo de
    degli dei del dell della delle dello di dove e ed era erano essere fa fai fare fra gli ha hai hanno ho il io la le
    lei li lo loro lui mi mia mie miei mio ne negli nei nel nella nelle nello noi non nostra nostro o per perché però
    più piu poi puoi qual quale quali quando quanto quella quelle quelli quello questa queste questi questo qui se sei
    si sia sono su sua sue sugli sui sul sulla sulle sullo suo suoi ti tra tu tua tue tuo tuoi un una uno vi voi è

    aber alle allem allen aller alles als also am an auch auf aus bei bin bis bist bitte da damit dann das dass dein
    deine dem den denn der des dessen dich die dies diese diesem diesen dieser dieses dir doch dort du durch ein eine
    einem einen einer eines er es euch euer für gegen gibt hab habe haben hat hatte hier hinter ich ihm ihn ihnen ihr
    ihre im in ins ist ja jede jeden jeder jedes jetzt kann kannst kein keine können machen man mehr mein meine meinem
    meinen meiner mich mir mit nach nein nicht noch nun nur ob oder ohne sehr sein seine sich sie sind soll über um
    und uns unser unter vom von vor wann waren warum was wegen weil wenn wer werden wie wieder wir wird wirst wo
    wurde zu zum zur zwischen
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


def normal(text: str) -> str:
    """A text in the form in which words are compared: composed, and without case."""
    return unicodedata.normalize("NFC", text).casefold()


def words(text: str) -> list[str]:
    """The words of a text in order, in their normal form."""
    found = _WORD.findall(normal(text))
    return [part for word in found for part in _parts(word)] if _RUN.search(text) else found


def telling_words(text: str) -> list[str]:
    """The words that say what a text is about, each once, in order: no stop words, no lone letters."""
    return list(dict.fromkeys(word for word in words(text) if _tells(word)))


def stems(words: Iterable[str]) -> dict[str, None]:
    """The beginnings of words, by which inflected forms of one word are taken for the same."""
    return dict.fromkeys(word[:_STEM].removesuffix("s") if len(word) > 3 else word for word in words)


def spread(text: str) -> str:
    """The text with its unspaced runs taken apart, so that a word index finds what is in them."""
    return _RUN.sub(lambda run: f" {' '.join(_pairs(run.group()))} ", text)


def unspaced(word: str) -> bool:
    """Whether a word belongs to a language that is written without spaces."""
    return _RUN.match(word) is not None


def _tells(word: str) -> bool:
    return word not in STOP_WORDS and (len(word) > 1 or word.isdigit() or unspaced(word))


def _parts(word: str) -> Iterator[str]:
    for part in _RUN_OR_REST.findall(word):
        yield from _pairs(part) if unspaced(part) else [part]


def _pairs(run: str) -> list[str]:
    return [run[start : start + 2] for start in range(len(run) - 1)] or [run]
