import pytest

pytest.register_assert_rewrite("tests.scenario.crashes.harness")
