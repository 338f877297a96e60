"""The programs of docs/how-to/assistants.md, run as they stand there, one after the other on one server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from servers import settings
from tests.guides import Guide, serving

GUIDE = Guide("how-to/assistants.md")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of OpenAI's, in its SDK


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        for field in settings.Settings.model_fields:
            patch.delenv(settings.variable(field), raising=False)
        patch.chdir(tmp_path_factory.mktemp("guide"))
        with serving() as url:
            yield url


@pytest.fixture
def told(base_url: str, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> str:
    """What the program prints that has the words of the test's mark."""
    with closing(GUIDE.run(request.param, base_url)["client"]):
        return capsys.readouterr().out


@pytest.mark.parametrize("told", ["Planner"], indirect=True)
def test_the_same_code_on_another_base_url(told: str) -> None:
    status, question, answer, *_ = told.splitlines()
    assert status == "completed"
    assert question == "user Research and analyze AI trends"
    assert answer.startswith("assistant ")


@pytest.mark.parametrize("told", ["get_weather"], indirect=True)
def test_your_functions(told: str) -> None:
    assert "18 degrees in Paris" in told


@pytest.mark.parametrize("told", ["sales.csv"], indirect=True)
def test_programs_on_files(told: str) -> None:
    assert "- price mean: 2" in told
    assert "sandbox:/mnt/data/result.csv series,statistic,value" in told
    assert "csv.reader" in told


@pytest.mark.parametrize("told", ["text_deltas"], indirect=True)
def test_streams(told: str) -> None:
    assert "36" in told


@pytest.mark.parametrize("told", ["Last-Event-ID"], indirect=True)
def test_a_stream_is_taken_up_again(told: str) -> None:
    assert "agent" in told


@pytest.mark.parametrize("told", ["agents_used"], indirect=True)
def test_what_the_team_has_done(told: str) -> None:
    agents, researcher, analyst, messages = told.strip().splitlines()
    assert agents == "['researcher', 'analyst']"
    assert researcher.startswith("['transfer_to_researcher', 'search'] ")
    assert analyst.startswith("['transfer_to_analyst'] ")
    assert messages == "4"


def test_every_program_is_run() -> None:
    assert len(GUIDE.programs) == 6
