import pytest
from e2e_run import FULL, SHORT, Form, make_run
from fleet import LANGUAGES


def pytest_addoption(parser) -> None:
    parser.addoption(
        "--full",
        action="store_true",
        help="Prometheus 3 from its Go module and 60 scrapes; without it Debian's Prometheus and 12",
    )
    parser.addoption(
        "--languages",
        default=",".join(LANGUAGES),
        help=f"comma-separated services to run, of {', '.join(LANGUAGES)}",
    )


def pytest_generate_tests(metafunc) -> None:
    if "language" in metafunc.fixturenames:
        metafunc.parametrize("language", _languages(metafunc.config), scope="session")


def _languages(config) -> list[str]:
    chosen = config.getoption("--languages").split(",")
    unknown = [language for language in chosen if language not in LANGUAGES]
    if unknown:
        raise pytest.UsageError(f"--languages names {unknown[0]!r}; allowed are {', '.join(LANGUAGES)}")
    return chosen


@pytest.fixture(scope="session")
def form(request) -> Form:
    return FULL if request.config.getoption("--full") else SHORT


@pytest.fixture(scope="session")
def run(form, request, tmp_path_factory):
    """One run per session."""
    with make_run(form, _languages(request.config), tmp_path_factory.mktemp("e2e")) as made:
        yield made
