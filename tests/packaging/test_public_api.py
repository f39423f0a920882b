"""The public names: what is documented is there, and nothing else."""

import subprocess
import sys

import pytest

import ganchu_workflow
import ganchu_workflow.process as process
from ganchu_workflow import _WHERE


def test_the_names_are_sorted_and_each_is_found_where_it_is_said_to_be() -> None:
    names = ganchu_workflow.__all__

    assert names == sorted(names) == sorted(_WHERE)
    assert [n for n in names if getattr(ganchu_workflow, n).__name__ != n] == []


@pytest.mark.parametrize("name", ganchu_workflow.__all__)
def test_every_public_name_says_what_it_is(name: str) -> None:
    assert getattr(ganchu_workflow, name).__doc__


def test_the_process_language_is_complete_in_one_import() -> None:
    assert len(process.__all__) == len(set(process.__all__))
    assert [n for n in process.__all__ if not hasattr(process, n)] == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'ganchu_workflow' has no attribute 'workflows'"):
        _ = ganchu_workflow.workflows


def test_importing_the_package_imports_no_tables() -> None:
    code = "import ganchu_workflow, sys; print(sorted({'sqlmodel', 'sqlalchemy', 'alembic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
