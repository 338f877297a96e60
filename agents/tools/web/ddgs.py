"""DDGS, a search over several engines without a key: https://github.com/deedy5/ddgs. A package of its own (extra `ddgs`),
imported when it is used; it blocks, so it works in threads."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from agents.tools.port import Place
from agents.tools.settings import ToolNotConfigured, ToolSettings
from agents.tools.web.http import snippet, text
from agents.tools.web.port import Provider, Query, Result, SearchFailed

SECONDS = 10
THREADS = 4
ANYWHERE = "us-en"  # its default; it knows no place that is none

# Its regions, country first. Countries with several languages are left out: the user's is not known.
_REGIONS = """
    ar-es at-de au-en bg-bg br-pt cl-es cn-zh co-es cz-cs de-de dk-da ee-et es-es fi-fi fr-fr gr-el hk-tzh hr-hr hu-hu
    id-id ie-en il-he it-it jp-jp kr-kr lt-lt lv-lv mx-es nl-nl no-no nz-en pe-es ph-en pl-pl pt-pt ro-ro ru-ru se-sv
    si-sl sk-sk th-th tr-tr tw-tzh ua-uk uk-en us-en vn-vi za-en
"""
_REGION_OF = {region[:2].upper(): region for region in _REGIONS.split()} | {"GB": "uk-en"}

logger = logging.getLogger(__name__)


class Ddgs:
    """A `Provider` over the package."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ddgs")

    async def search(self, query: Query) -> Sequence[Result]:
        """See `Provider`."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, _search, query)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def provider(settings: ToolSettings) -> Provider:
    """Raises `ToolNotConfigured`."""
    if importlib.util.find_spec("ddgs") is None:
        raise ToolNotConfigured("SEARCH_PROVIDER=ddgs needs its package: install the extra `ddgs` (cortex-flow[ddgs]).")
    return Ddgs()


def _search(query: Query) -> list[Result]:
    from ddgs import DDGS
    from ddgs.exceptions import DDGSException, RatelimitException, TimeoutException

    try:
        found = DDGS(timeout=SECONDS).text(query.words, region=_region(query.place), max_results=query.limit)
    except RatelimitException:
        raise _failed("DDGS takes no more searches at the moment.") from None
    except TimeoutException:
        raise _failed(f"DDGS did not answer within {SECONDS} seconds.") from None
    except Exception as error:  # it reads pages made for people: what goes wrong there can be anything
        if isinstance(error, DDGSException) and "No results" in str(error):
            return []
        raise _failed("DDGS failed: none of its engines has answered.") from error
    return [Result(text(row, "title"), text(row, "href"), snippet(text(row, "body"))) for row in found][: query.limit]


def _region(place: Place) -> str:
    return _REGION_OF.get(place.country or "", ANYWHERE)


def _failed(message: str) -> SearchFailed:
    logger.warning("search: %s", message)
    return SearchFailed(message)
