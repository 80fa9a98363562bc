"""Assertions of the machine's own modules explain themselves as those of tests do."""

import pytest

pytest.register_assert_rewrite(
    "tests.property.folding", "tests.property.machine", "tests.property.sandbox"
)
