"""Secrets that may be seen nowhere, as a user gives them: in the environment, and in a URL by mistake."""

from __future__ import annotations

SECRET = "canary7f3Qz"
ENVIRONMENT = {
    "RESON_BASE_URL": "https://api.example.invalid",
    "RESON_API_KEY": f"rsk_dev_{SECRET}",
    "RESON_EMAIL": "a@example.org",
    "RESON_PASSWORD": SECRET,
    "RESON_S3_ENDPOINT": "https://s3.example.invalid",
    "RESON_S3_KEY": "GKpublic",
    "RESON_S3_SECRET": SECRET,
    "RESON_S3_BUCKET": "bucket",
    # Where nobody finds it, until a cell makes it the store.
    "WRONG_STORE": f"s3://user:a/{SECRET}@bucket/prefix",
}
# What people do in a notebook, with everything logged.
CELLS = (
    "import logging; logging.basicConfig(level=logging.DEBUG, filename='kernel.log', force=True)\n"
    "import reson_jupyter as reson\n%load_ext reson_jupyter",
    "%%reson_model\nfrom torch import nn\nclass Net(nn.Linear):\n    def __init__(self, num_classes=2):\n"
    "        super().__init__(3, num_classes)",
    "reson.session()",
    "reson.session().connection",
    "print(reson.session().connection, vars(reson.session().connection), reson.session())",
    "%reson config",
    "%reson panel",
    "reson.session().submission.store_that_is_not",
    "reson.build(name='digits')",
    "reson.preview(name='digits')",
    "%reson submit --name digits --no-check",
    "import os\nreson.submit(name='digits', check=False, store=os.environ['WRONG_STORE'])",
    "reson.submit(name='digits', check=False, store=os.environ['WRONG_STORE'].replace('s3', 'https'))",
    "reson.session().configure(platform_api_key='x')",
    "try:\n    reson.submit(name='digits', check=False)\nexcept Exception as error:\n    kept = error",
    "kept",
    "from made_up_run import *\nview = RunView(MadeUpRun().first(), on_command=print)\nview",
    "from made_up_comparison import comparison\ncomparison()",
    "reson.runs()",
    "reson.session().configure(store=os.environ['WRONG_STORE'])",
    "os.environ['RESON_STORE'] = os.environ['WRONG_STORE']",
    "%reson config",
    "%reson panel",
    "reson.session()",
    "%reson preview",
    "%reson submit --name digits --no-check",
)
