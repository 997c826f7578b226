"""Imports become requirement lines with this kernel's versions."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.capture.imports.local_modules import local_files
from reson_jupyter.capture.imports.requirements import distributions_of, is_known, is_local, requirements_for
from reson_jupyter.errors import JobError

TORCH = version("torch").split("+")[0]
Installer = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installer:
    """Puts a distribution with one module of the same name into a library folder, as an installer leaves it behind."""
    libraries = tmp_path / "site-packages"
    libraries.mkdir()
    monkeypatch.syspath_prepend(libraries)

    def put(name: str, number: str, url: dict[str, Any] | None = None, *, installer: str = "pip", path: str = "") -> Path:
        top = name.replace("-", "_").lower()
        info = libraries / f"{top}-{number}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
        (info / "INSTALLER").write_text(installer)
        if url:
            (info / "direct_url.json").write_text(json.dumps(url))
        if path:
            (libraries / f"{top}.pth").write_text(f"{path}\n")
            (info / "RECORD").write_text(f"{top}.pth,,\n")
            monkeypatch.syspath_prepend(path)
        else:
            (libraries / f"{top}.py").write_text("")
            (info / "RECORD").write_text(f"{top}.py,,\n")
        importlib.invalidate_caches()
        return libraries

    return put


def test_torch_and_nvflare_are_always_there_and_sorted() -> None:
    assert requirements_for([]).lines == (f"nvflare=={version('nvflare')}", f"torch=={TORCH}")


def test_a_module_is_named_by_its_distribution() -> None:
    lines = requirements_for({"PIL.Image", "yaml", "sklearn.datasets", "numpy"}).lines
    assert [line.split("==")[0] for line in lines] == ["numpy", "nvflare", "pillow", "PyYAML", "scikit-learn", "torch"]


def test_the_standard_library_and_the_bundle_need_nothing() -> None:
    alone = requirements_for([])
    assert requirements_for({"os.path", "typing", "dataclasses", "model_def", "custom_persistor"}) == alone


def test_no_line_names_a_build_of_this_machine() -> None:
    assert not any("+" in line for line in requirements_for({"torch.nn", "numpy"}).lines)


def test_what_the_job_needs_besides_is_pinned_too_and_once_however_it_is_written() -> None:
    lines = requirements_for(["PIL", "yaml"], ["Pillow", "pyyaml"]).lines
    assert lines[1:3] == (f"pillow=={version('pillow')}", f"PyYAML=={version('pyyaml')}")
    assert len(lines) == 4


def test_a_distribution_that_is_not_installed_is_an_error() -> None:
    with pytest.raises(JobError, match="nobody-has-this is not installed in this kernel"):
        requirements_for([], ["nobody-has-this"])


def test_a_module_of_a_shared_namespace_is_that_of_its_own_distribution() -> None:
    assert distributions_of("google.protobuf") == ("protobuf",)


def test_a_module_that_nobody_has_is_no_file_of_this_machine() -> None:
    assert not is_local("nobody_has_this") and not is_local("json") and not is_local("torch.nn")


def test_a_file_beside_the_notebook_needs_no_distribution_even_of_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "yaml.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "yaml", raising=False)
    assert distributions_of("yaml") == ()
    assert is_local("yaml") and not is_known("yaml")


@pytest.mark.parametrize(
    ("number", "url", "line", "said"),
    [
        ("2.3", None, "My-Lib==2.3", ""),
        ("2.3+cu121", None, "My-Lib==2.3", "My-Lib 2.3+cu121 is a build for this machine; what the sites need is written as 2.3"),
        ("0.1.dev3+g123", None, "My-Lib==0.1.dev3", "My-Lib 0.1.dev3+g123 is no release"),
        ("1.0+fork", None, "My-Lib==1.0", "My-Lib 1.0+fork is no release"),
        ("2.3", {"url": "https://host/My_Lib-2.3.whl", "archive_info": {}}, "My-Lib==2.3", "was installed from https://host/"),
        ("2.3", {"url": "file:///home/me/lib", "dir_info": {}}, "My-Lib==2.3", "was installed from file:///home/me/lib"),
        (
            "0.1.dev3+g123",
            {"url": "https://host/lib.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}, "subdirectory": "py"},
            "My-Lib @ git+https://host/lib.git@abc#subdirectory=py",
            "My-Lib 0.1.dev3+g123 was installed from https://host/lib.git; what the sites need is written as that commit there",
        ),
        (
            "2.3",
            {"url": "file:///home/me/lib", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "My-Lib==2.3",
            "was installed from file:///home/me/lib",
        ),
    ],
)
def test_what_a_site_may_not_find_on_an_index_is_said(
    install: Installer, number: str, url: dict[str, Any] | None, line: str, said: str
) -> None:
    install("My-Lib", number, url)
    found = requirements_for(["my_lib.deep"])
    assert found.lines[0] == line
    notes = [note for note in found.notes if note.startswith("My-Lib")]
    assert said in "".join(notes) and len(notes) == bool(said)


def test_the_folder_in_which_conda_made_a_package_is_no_news(install: Installer) -> None:
    install("My-Lib", "2.3", {"url": "file:///croot/my-lib/work", "dir_info": {}}, installer="conda")
    assert not any(note.startswith("My-Lib") for note in requirements_for(["my_lib"]).notes)


def test_an_editable_install_is_a_requirement_and_reported_but_what_lies_beside_it_is_not(
    install: Installer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "my project"
    for path in ("src/other_name/__init__.py", "notebooks/scratch.py", "rootfile.py"):
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text("")
    install("My-Lib", "0.1", {"url": project.as_uri(), "dir_info": {"editable": True}}, path=str(project / "src"))
    monkeypatch.syspath_prepend(project)
    monkeypatch.syspath_prepend(project / "notebooks")
    assert distributions_of("other_name.deep") == ("My-Lib",)
    assert is_known("other_name") and not is_local("other_name")
    assert distributions_of("scratch") == distributions_of("rootfile") == ()
    found = requirements_for(["other_name"])
    assert found.lines[0] == "My-Lib==0.1"
    assert f"My-Lib 0.1 is an editable install of {project.as_uri()}" in found.notes[0]
    assert [file.path for file in local_files("import other_name, scratch, rootfile")] == ["rootfile.py", "scratch.py"]


def test_a_project_that_lies_in_its_folder_as_it_is_is_known_by_its_name(install: Installer, tmp_path: Path) -> None:
    project = tmp_path / "flat"
    (project / "my_lib").mkdir(parents=True)
    (project / "my_lib/__init__.py").write_text("")
    (project / "helpers.py").write_text("")
    install("My-Lib", "0.1", {"url": project.as_uri(), "dir_info": {"editable": True}}, path=str(project))
    assert distributions_of("my_lib") == ("My-Lib",)
    assert [file.path for file in local_files("import my_lib, helpers")] == ["helpers.py"]


def test_what_an_installer_put_into_a_folder_of_its_own_belongs_to_its_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "libs/other_lib-1.dist-info").mkdir(parents=True)
    (tmp_path / "libs/other_lib-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: Other-Lib\nVersion: 1\n")
    (tmp_path / "libs/other_lib-1.dist-info/RECORD").write_text("other_lib/__init__.py,,\n")
    (tmp_path / "libs/other_lib").mkdir()
    (tmp_path / "libs/other_lib/__init__.py").write_text("")
    (tmp_path / "libs/mine.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path / "libs")
    assert distributions_of("other_lib") == ("Other-Lib",)
    assert [file.path for file in local_files("import other_lib, mine")] == ["mine.py"]


def test_the_users_own_lines_stay_as_they_are() -> None:
    own = ["# mine", "-r base.txt", "", "torch", "numpy >= 1  # any", "what is this"]
    assert requirements_for(["numpy"], own=own).lines == tuple(own)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"numpy=={version('numpy')}", ""),
        ("numpy", ""),
        ("numpy>=1 ; python_version >= '3'", ""),
        ("NumPy <1 ; python_version < '3'", ""),
        ("numpy @ https://host/numpy.whl", ""),
        ("https://host/numpy-2.0.0-py3-none-any.whl", ""),
        ("git+https://host/numpy.git@main#egg=numpy", ""),
        ("-e git+https://host/numpy.git@main#egg=numpy", ""),
        ("numpy>=1 \\\n    --hash=sha256:0123", ""),
        ("--extra-index-url https://host/simple\nnumpy # comment", ""),
        ("numpy==1.0", f"the requirements say numpy==1.0, but this kernel has numpy {version('numpy')}"),
        ("numpy\nnobody-has-this==1", ""),
        ("", f"the requirements do not name numpy, which ships imports; this kernel has numpy {version('numpy')}"),
        ("numpy\n-r base.txt", "the requirements say '-r base.txt', but that file does not travel with the job"),
        ("numpy\n-e ./lib", "the requirements say '-e ./lib', which is on this machine only"),
        ("numpy\n./lib-1.0.whl", "the requirements say './lib-1.0.whl', which is on this machine only"),
        ("numpy @ file:///lib/numpy.whl", "the requirements say 'numpy @ file:///lib/numpy.whl', which is on this machine only"),
        ("numpy\nscipy=>1", "the requirements say 'scipy=>1', which pip cannot read"),
    ],
)
def test_only_real_differences_of_the_users_file_are_shown(line: str, said: str) -> None:
    notes = requirements_for(["numpy.linalg"], own=["torch", *line.split("\n")]).notes
    assert notes == ((said,) if said else ())


def test_torch_that_the_users_file_fits_only_without_its_build_fits() -> None:
    assert requirements_for([], own=[f"torch=={TORCH}"]).notes == ()


def test_a_library_that_is_linked_from_an_installers_cache_is_a_library(install: Installer, tmp_path: Path) -> None:
    installed = install("My-Lib", "2.3") / "my_lib.py"
    cached = installed.rename(tmp_path / "cached.py")
    installed.symlink_to(cached)
    assert distributions_of("my_lib") == ("My-Lib",)
    assert local_files("import my_lib") == ()
