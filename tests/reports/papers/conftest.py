"""The published studies, refitted once for all tests, with fewer bootstrap draws than the pages have."""

import pytest

from reports.papers.chinchilla import study as chinchilla
from reports.papers.clark import study as clark
from reports.papers.gadre import study as gadre
from reports.papers.muennighoff import study as muennighoff
from reports.papers.porian import study as porian
from reports.papers.tinystories import study as tinystories


@pytest.fixture(scope="session")
def hoffmann() -> chinchilla.Chinchilla:
    return chinchilla.build(chinchilla.read(), draws=100)


@pytest.fixture(scope="session")
def routed() -> clark.Clark:
    return clark.build(clark.read(), draws=100)


@pytest.fixture(scope="session")
def repeated() -> muennighoff.Muennighoff:
    return muennighoff.build(muennighoff.read(), draws=0, free_draws=0)


@pytest.fixture(scope="session")
def over_trained() -> gadre.Gadre:
    return gadre.build(gadre.read(), draws=20)


@pytest.fixture(scope="session")
def allocation() -> porian.Porian:
    return porian.build(porian.read())


@pytest.fixture(scope="session")
def small() -> tinystories.TinyStories:
    return tinystories.build(tinystories.read())
