"""What only code for Scaleout Edge does wrong; what it has in common with other code stands there."""

from __future__ import annotations

from .entry import Code, Known

_NOT_CARRIED_OVER = "is not carried over from Scaleout: a run here has only what the callbacks at the sites call."
_WITHOUT_IT = (
    "Take it out, or keep the code that needs it where only Scaleout runs it. There are EdgeClient, ScaleoutModel, "
    "StoppedException and LoggingContext, and of scaleoututil get_helper, save_metadata, load_metadata, save_metrics."
)
_SCALEOUT = r"scaleout(?:util)?(?:\.[\w.]+)?"

EDGE = (
    Known(rf"No module named '?(?P<name>{_SCALEOUT})\b", f"{{name}} {_NOT_CARRIED_OVER}", _WITHOUT_IT),
    Known(
        rf"cannot import name '(?P<name>\w+)' from '(?P<module>{_SCALEOUT})'|"
        rf"module '(?P<owner>{_SCALEOUT})' has no attribute '(?P<own>\w+)",
        f"{{name}}{{own}} of {{module}}{{owner}} {_NOT_CARRIED_OVER}",
        _WITHOUT_IT,
    ),
    Known(
        r"KeyError: '(?P<key>\w+)'",
        "settings has no {key}.",
        "It has every training field, SITE_NAME, CURRENT_ROUND, NUM_ROUNDS, DATA_ROOT, STATE_DIR and DEVICE; "
        "set more of them, for example: %reson config {key}=1",
        line=r"\bsettings\b",
        only=(Code.PROJECT,),  # a command reads them from a file, into a plain dict
    ),
    Known(
        r"\bname '(?P<name>(?!get_ipython|display)\w+)' is not defined|NameError: .*free variable '(?P<free>\w+)'",
        "The file has no {name}{free}, or not yet at this line.",
        "Define or import {name}{free} in that file, before it is used; the file is read anew at the next submit.",
        only=(Code.PROJECT,),
    ),
    Known(
        r"cannot import name '(?P<name>\w+)' from (?:partially initialized module )?'(?P<module>[\w.]+)'",
        "{module} has no {name} there, or not yet at this line.",
        "If {module} is a file of the project, look whether it defines {name}, and whether the two files import each other; "
        "if it is a package, pin its version in python_env.yaml.",
        only=(Code.PROJECT,),
    ),
    Known(
        r"No such file or directory: '[^']*/custom/project/(?P<path>[^']+)'",
        "The project has no {path} at the site.",
        "A file ships when it lies in the project's folder and .scaleoutignore does not leave it out.",
        only=(Code.PROJECT,),
    ),
)
