"""The store on PostgreSQL: the contract."""

from __future__ import annotations

import pytest

from capsvc.stores import Store
from tests.capsvc.store_contract import StoreContract
from tests.capsvc.store_contract_column import Engine


class TestPostgreSQLStore(StoreContract):
    """The contract, held by PostgreSQL."""

    @pytest.fixture
    def store(self, engine: Engine) -> Store:
        return engine.store
