"""Imports become requirement lines with this kernel's versions."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from reson_jupyter.capture.requirements import distributions_of, is_local, requirements_for
from reson_jupyter.errors import JobError


def test_torch_and_nvflare_are_always_there_and_sorted() -> None:
    assert requirements_for([]) == (f"nvflare=={version('nvflare')}", f"torch=={version('torch').split('+')[0]}")


def test_a_module_is_named_by_its_distribution() -> None:
    lines = requirements_for({"PIL.Image", "yaml", "sklearn.datasets", "numpy"})
    assert [line.split("==")[0] for line in lines] == ["numpy", "nvflare", "pillow", "PyYAML", "scikit-learn", "torch"]


def test_the_standard_library_and_the_bundle_need_nothing() -> None:
    alone = requirements_for([])
    assert requirements_for({"os.path", "typing", "dataclasses", "model_def", "custom_persistor"}) == alone


def test_no_line_names_a_build_of_this_machine() -> None:
    assert not any("+" in line for line in requirements_for({"torch.nn", "numpy"}))


def test_what_the_job_needs_besides_is_pinned_too() -> None:
    assert f"pillow=={version('pillow')}" in requirements_for([], ["pillow"])


def test_a_distribution_that_is_not_installed_is_an_error() -> None:
    with pytest.raises(JobError, match="nobody-has-this is not installed in this kernel"):
        requirements_for([], ["nobody-has-this"])


def test_a_module_of_a_shared_namespace_is_that_of_its_own_distribution() -> None:
    assert distributions_of("google.protobuf") == ("protobuf",)


def test_a_module_that_nobody_has_is_no_file_of_this_machine() -> None:
    assert not is_local("nobody_has_this") and not is_local("json") and not is_local("torch.nn")
