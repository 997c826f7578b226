"""True secrets, each built from parts so that no hosting platform takes this file for a leak, and lines that are none."""

from __future__ import annotations

import base64
import string
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Secret:
    """A text with one secret: where it stands, what it is, and the value that no finding may hold."""

    text: str
    kind: str
    value: str
    line: int = 1


def made(length: int, alphabet: str, seed: int = 0) -> str:
    """Characters as a machine draws them; the same for the same arguments."""
    return "".join(Random(f"{length}{alphabet}{seed}").choices(alphabet, k=length))


HEX, UPPER, ALL = "0123456789abcdef", string.ascii_uppercase + "234567", string.ascii_letters + string.digits
AWS_ID = "AK" + "IA" + made(16, UPPER)
AWS_SECRET = made(40, ALL + "+/")
GARAGE_ID, GARAGE_SECRET = "G" + "K" + made(24, HEX), made(64, HEX)
PLATFORM = "rsk" + "_live_" + made(32, ALL)
GITHUB = "gh" + "p_" + made(36, ALL)
HUB = "h" + "f_" + made(34, string.ascii_letters)
OPENAI = "s" + "k-proj-" + made(48, ALL)
WANDB = made(40, HEX)
JWT = ".".join(base64.urlsafe_b64encode(part).decode().strip("=") for part in (b'{"alg":"HS256"}', b'{"sub":"1234"}', b"0" * 32))
BASIC = base64.b64encode(b"ada:lovelace1").decode()
DASHES = "-" * 5
PEM_BODY = "MII" + "E" + made(60, ALL)
PEM = f"{DASHES}BEGIN RSA PRIVATE{' '}KEY{DASHES}\n{PEM_BODY}\n{DASHES}END RSA PRIVATE{' '}KEY{DASHES}"

_FORMS = [
    ("an AWS access key", AWS_ID),
    ("an AWS access key", "AS" + "IA" + made(16, UPPER, 1)),
    ("a Garage access key", GARAGE_ID),
    ("a ResonTech platform key", PLATFORM),
    ("a ResonTech platform key", "rsk" + "_dev_" + made(24, ALL)),
    ("a GitHub token", GITHUB),
    ("a GitHub token", "github" + "_pat_" + made(22, ALL) + "_" + made(59, ALL)),
    ("a GitLab token", "gl" + "pat-" + made(20, ALL)),
    ("a Slack token", "xo" + "xb-" + made(12, string.digits) + "-" + made(24, ALL)),
    ("a Stripe key", "sk" + "_live_" + made(24, ALL)),
    ("an OpenAI key", OPENAI),
    ("an OpenAI key", "s" + "k-" + made(48, ALL)),
    ("an Anthropic key", "s" + "k-ant-" + "api03-" + made(93, ALL + "_-") + "AA"),
    ("a Hugging Face token", HUB),
    ("a Google API key", "AI" + "za" + made(35, ALL)),
    ("an npm token", "np" + "m_" + made(36, ALL)),
    ("a PyPI token", "py" + "pi-AgEIcHlwaS5vcmc" + made(60, ALL)),
    ("a SendGrid key", "S" + "G." + made(22, ALL) + "." + made(43, ALL)),
    ("a Twilio key", "S" + "K" + made(32, HEX)),
    ("a Groq key", "gs" + "k_" + made(52, ALL)),
    ("a Replicate token", "r" + "8_" + made(37, ALL)),
    ("a Databricks token", "da" + "pi" + made(32, HEX)),
    ("a JSON web token", JWT),
    ("a Google OAuth secret", "GOC" + "SPX-" + made(28, ALL)),
    ("a DigitalOcean token", "do" + "p_v1_" + made(64, HEX)),
    ("a Telegram bot token", made(10, string.digits) + ":" + "AA" + made(33, ALL)),
    ("a Weights & Biases key", "wandb" + "_v1_" + made(77, ALL)),
]
_URL = "https://bucket.s3.amazonaws.com/shard.zip?X-Amz-Expires=900&X-Amz-Signature="
_STORAGE = "DefaultEndpointsProtocol=https;AccountName=lab;Account" + "Key="

SECRETS = [
    # Forms that tell by themselves, wherever they stand.
    *(Secret(f"import torch\nx = '{value}'\n", kind, value, 2) for kind, value in _FORMS),
    *(Secret(f"import torch\n\n# remove {value} before the release\n", kind, value, 3) for kind, value in _FORMS[:6]),
    Secret(f'"""How to use it.\n\nlogin("{HUB}")\n"""\n', "a Hugging Face token", HUB, 3),
    Secret(f'{{"args": {{"lr": 0.1,\n  "note": "{GITHUB}"}}}}', "a GitHub token", GITHUB, 2),
    Secret(f'KEY = """{PEM}"""\n', "a private key", PEM_BODY),
    Secret(f"def f():\n    return '{PEM}'".replace(PEM_BODY + "\n", PEM_BODY + "\\n"), "a private key", PEM_BODY, 2),
    Secret('{"type": "service_account",\n "private_key": ' + repr(PEM).replace("'", '"') + "}", "a private key", PEM_BODY, 2),
    # Addresses.
    Secret("engine = create_engine('postgresql://ada:lovelace1@db.lab:5432/x')", "a password in a URL", "lovelace1"),
    Secret("--extra-index-url https://user:token@pypi.lab/simple", "a password in a URL", "token"),
    Secret("torch\n--extra-index-url https://ada:lovelace1@pypi.lab/simple\n", "a password in a URL", "lovelace1", 2),
    Secret(f"torch==2.10\npkg @ git+https://{GITHUB}@github.com/lab/pkg.git\n", "a GitHub token", GITHUB, 2),
    Secret(f"git+https://{made(32, HEX)}@git.lab/pkg.git\n", "a token in a URL", made(32, HEX)),
    Secret(f"url = f'mongodb+srv://{{user}}:{made(12, ALL)}@cluster.lab'", "a password in a URL", made(12, ALL)),
    Secret(f"u = 'https://api.lab/v1?q=1&api_key={made(32, HEX)}'", "a token in a URL", made(32, HEX)),
    Secret(f"u = '{_URL}{made(64, HEX)}'", "a presigned URL", made(64, HEX)),
    Secret(f"u = 'https://lab.blob.core.windows.net/c?sv=2024&sig={made(43, ALL)}%3D'", "a presigned URL", made(43, ALL)),
    Secret(f"c = '{_STORAGE}{made(86, ALL)}=='", "an Azure account key", made(86, ALL)),
    Secret("c = 'Server=db.lab;User Id=sa;Password=lovelace1;'", "a password in a connection string", "lovelace1"),
    Secret("c = 'host=db.lab user=ada password=lovelace1'", "a password in a connection string", "lovelace1"),
    Secret("u = 'https://hooks." + f"slack.com/services/T{made(8, UPPER)}/B0/{made(24, ALL)}'", "a Slack webhook", made(24, ALL)),
    Secret(
        "u = 'https://discord" + f".com/api/webhooks/{made(18, string.digits)}/{made(68, ALL)}'",
        "a Discord webhook",
        made(68, ALL),
    ),
    # Command lines.
    Secret(f"run('tool --verbose --api-key {made(32, ALL)} x')", "a token on a command line", made(32, ALL)),
    Secret(f"import os\n!wandb login --relogin {WANDB}", "a Weights & Biases key", WANDB, 2),
    # Headers.
    Secret(f"h = {{'Authorization': 'Bearer {made(40, ALL)}'}}", "an Authorization header", made(40, ALL)),
    Secret(f"h = {{'Authorization': 'Basic {BASIC}'}}", "an Authorization header", BASIC),
    Secret(f"# curl -H 'Authorization: Token {made(40, HEX)}'", "an Authorization header", made(40, HEX)),
    # Names.
    Secret("password = 'hunter2'", "a password", "hunter2"),
    Secret("import os\nos.environ['DB_PASSWORD'] = 'hunter2'", "a password", "hunter2", 2),
    Secret("os.environ.setdefault('DB_PASSWORD', 'hunter2')", "a password", "hunter2"),
    Secret("password = os.environ.get('DB_PASSWORD', 'hunter2')", "a password", "hunter2"),
    Secret("password = os.environ.get('PW') or 'hunter2'", "a password", "hunter2"),
    Secret("db = connect(\n    user='ada',\n    passwd='hunter2',\n)", "a password", "hunter2", 3),
    Secret("class A:\n    def f(self):\n        self.password: str = 'hunter2'", "a password", "hunter2", 3),
    Secret("def connect(host, *, password='hunter2'): ...", "a password", "hunter2"),
    Secret("def connect(host, db_password='hunter2', port=1): ...", "a password", "hunter2"),
    Secret("user, password = 'ada', 'hunter2'", "a password", "hunter2"),
    Secret("password = b'hunter2'", "a password", "hunter2"),
    Secret("password = 'hunter2'.encode()", "a password", "hunter2"),
    Secret("password: SecretStr = SecretStr('hunter2')", "a password", "hunter2"),
    Secret("password: str = field(default='hunter2')", "a password", "hunter2"),
    Secret("parser.add_argument('--password', default='hunter2')", "a password", "hunter2"),
    Secret("setattr(config, 'password', 'hunter2')", "a password", "hunter2"),
    Secret("keyring.set_password('lab', 'ada', 'hunter2')", "a password", "hunter2"),
    Secret("password = 'Pa$$w0rd!'", "a password", "Pa$$w0rd!"),
    Secret("class A:\n    secret_key = 'swordfish'", "a secret key", "swordfish", 2),
    Secret("passwords = ['hunter2', 'lovelace1']", "a password", "hunter2"),
    Secret("r = requests.get(url, auth=('ada', 'hunter2'))", "a password", "hunter2"),
    Secret("s = HTTPBasicAuth('ada', 'hunter2')", "a password", "hunter2"),
    Secret("PASSWORD_PROD = 'hunter2'", "a password", "hunter2"),
    Secret("dbPassword = 'hunter2'", "a password", "hunter2"),
    Secret("x = 1\n# password = 'hunter2'\n", "a password", "hunter2", 2),
    Secret("cfg = dict(lr=0.1, api_key='sesame-open')", "a secret key", "sesame-open"),
    Secret("cfg = {'lr': 0.1,\n       'client_secret': 'sesame-open'}", "a secret key", "sesame-open", 2),
    Secret('{"components": [{"args": {"apiKey":\n "sesame-open"}}]}', "a secret key", "sesame-open", 2),
    Secret(f"client('s3', aws_secret_access_key='{AWS_SECRET}')", "a secret key", AWS_SECRET),
    Secret(f"RESON_S3_SECRET = '{GARAGE_SECRET}'", "a secret key", GARAGE_SECRET),
    Secret(f"os.environ['RESON_S3_KEY'] = '{made(32, HEX)}'", "a secret key", made(32, HEX)),
    Secret(f"os.environ['WANDB_API_KEY'] = '{WANDB}'", "a secret key", WANDB),
    Secret(f"wandb.login(key='{WANDB}')", "a secret key", WANDB),
    Secret(f"wandb.login('{WANDB}')", "a token", WANDB),
    Secret(f"token = '{made(24, ALL)}'", "a token", made(24, ALL)),
    Secret("access_token = 'sesame-open'", "a token", "sesame-open"),
    Secret(f"os.environ['KAGGLE_KEY'] = '{made(32, HEX)}'", "a secret key", made(32, HEX)),
    Secret(f'{{"username": "ada", "key": "{made(32, HEX)}"}}', "a secret key", made(32, HEX)),
    Secret(f"SECRET_KEY = 'django-insecure-{made(40, ALL)}'", "a secret key", made(40, ALL)),
    # Text that is no Python.
    Secret("torch==2.10.0\nDB_PASSWORD=hunter2\n", "a password", "hunter2", 2),
    Secret(f"%env WANDB_API_KEY={WANDB}\nimport torch\n", "a secret key", WANDB),
    Secret("db:\n  user: ada\n  password: hunter2  # mine\n  a: b: c\n", "a password", "hunter2", 3),
    Secret("db:\n  password: 'hunter2'\n", "a password", "hunter2", 2),
    Secret("!ls\npassword = 'hunter2'\n", "a password", "hunter2", 2),
    # In pieces.
    Secret(f"k = '{AWS_ID[:4]}' + '{AWS_ID[4:]}'", "an AWS access key", AWS_ID),
    Secret(f"k = (\n    '{GITHUB[:9]}'\n    '{GITHUB[9:]}'\n)", "a GitHub token", GITHUB, 2),
    Secret(f"k = 'header ' + ('{OPENAI[:20]}' +\n '{OPENAI[20:]}')", "an OpenAI key", OPENAI),
    Secret(f"u = 'https://api.lab/' + path + '?k=' + '{AWS_ID[:7]}' '{AWS_ID[7:]}'", "an AWS access key", AWS_ID),
    Secret(
        f"u = ('https://lab/model'\n     '/v1?k={PLATFORM[:6]}'\n     f'{PLATFORM[6:]}&x={{x}}')",
        "a ResonTech platform key",
        PLATFORM,
        2,
    ),
    Secret("password = ('hun'\n            'ter2')", "a password", "hunter2"),
    Secret(f"k = '\\x41{AWS_ID[1:]}'", "an AWS access key", AWS_ID),
]

INNOCENT = r'''
token = "<pad>"
token = "hello"
PAD_TOKEN = "[PAD]"
pad_token = "<|reserved_special_token_0|>"
cls_token = "CLS"
eos_token, bos_token = "</s>", "<s>"
special_tokens = {"pad_token": "<pad>", "mask_token": "[MASK]"}
mask_token = "extra1id2mask3token4"
tokenizer = "bert-base-uncased"
tokenizer = AutoTokenizer.from_pretrained("meta-llama/Llama-3.2-1B", token=hf_token)
token_ids = "101 2023 2003 102"
token_ids = [101, 2023, 2003, 102]
max_tokens = 4096
max_new_tokens=256
num_tokens: int = 77
token_type = "word"
token_embedding = "learned"
token_dropout = 0.1
tokens = ["the", "quick", "brown", "fox"]
class_token = nn.Parameter(torch.zeros(1, 1, dim))
unk_token: str = "<unk>"
secret_dim = 3
secret_sharing = "shamir"
secretary = "ada"
secret = None
key = "weights"
key = "layer4.2.conv3.weight"
keys = ["image", "label"]
sort_key = "val_loss"
cache_key = "9f86d081884c7d659a2feaa0c55ad015"
monkey = "banana12345"
s3_key = "models/resnet50.pt"
s3_key = "shards/sha256/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.zip"
key_padding_mask = "float"
keypoints = "coco17v2"
query, key, value = "q", "k", "v"
random_key = jax.random.PRNGKey(0)
password = os.environ["PW"]
password = os.environ.get("DB_PASSWORD")
password = os.getenv("DB_PASSWORD", "")
password = getpass("Password: ")
password = getpass.getpass("The password of the store")
password = ""
password = None
password = "changeme"
password = "password"
password = "<password>"
password = "${DB_PASSWORD}"
password = "********"
password_field = "pw_hash1"
password_file = "/run/secrets/db1"
PASSWORD_ENV = "DB_PASSWORD_1"
passed = "yes2"
passthrough = "layer1"
compass = "north1"
api_key = None
api_key = "YOUR_API_KEY"
api_key = "your-api-key-here"
api_key = userdata.get("HF_TOKEN")
api_key = os.environ["RESON_API_KEY"]
api_key = "xxxxxxxxxxxxxxxx"
api_key = "..."
api_key = "RESON_API_KEY"
ACCESS_KEY, SECRET_KEY = "aws_access_key_id", "aws_secret_access_key"
api_key_env = "WANDB_API_KEY"
token = "your-token-here"
token = "<token>"
token = "***"
token = f"{prefix}{suffix}"
token = f"Bearer {token}"
token = "hf_" + "x" * 30
token = "hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
access_key = "AKIAIOSFODNN7EXAMPLE"
secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
headers = {"Authorization": f"Bearer {token}"}
headers = {"Authorization": "Bearer " + token}
headers = {"Authorization": "Bearer <token>"}
auth = "https://auth.lab/realms/x"
auth = ("ada", os.environ["PW"])
private_key = "~/.ssh/id_rsa"
private_key_path = "certs/site1.key"
credentials = "service_account.json"
credential_name = "lab2"
author = "Ada Lovelace 1815"
if "-----BEGIN PRIVATE KEY-----" in text: raise ValueError("a private key")
sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
commit = "3f4ab3a4c1d2e3f405162738495a6b7c8d9e0f1a"
revision = "0123456789abcdef0123456789abcdef01234567"
md5 = {"train.tar.gz": "c58f30108f718f92721af3b95e74349a", "test.tar.gz": "d41d8cd98f00b204e9800998ecf8427e"}
resources = [("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873")]
seed = "0xdeadbeefcafebabe0123456789abcdef"
seed = bytes.fromhex("00112233445566778899aabbccddeeff")
run_id = "123e4567-e89b-12d3-a456-426614174000"
image = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
uri = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
url = "https://download.pytorch.org/models/resnet50-11ad3fa6.pth"
url = "https://huggingface.co/google/vit-base-patch16-224-in21k/resolve/main/pytorch_model.bin"
url = "http://localhost:8080/api@v1/models"
url = "postgresql://localhost:5432/experiments"
url = "postgresql://user:password@localhost/db"
url = f"postgresql://{user}:{password}@{host}/db"
url = f"https://{token}@github.com/lab/pkg.git"
url = "https://data.lab/get?key=images&token=" + token
url = "ssh://git@github.com/lab/pkg.git"
path = "/mnt/data/experiments/2024-11-22/resnet50_bs256_lr0.1/checkpoints/epoch_0099/model_best.safetensors"
model = "timm/vit_large_patch14_reg4_dinov2.lvd142m"
model = "sk-learn-random-forest-with-a-hundred-trees"
state["module.encoder.layers.11.self_attn.in_proj_weight"] = w
weights = [0.485, 0.456, 0.406, 0.229, 0.224, 0.225]
labels = "n01440764 n01443537 n01484850 n01491361"
sequence = "ACDEFGHIKLMNPQRSTVWYACDEFGHIKLMNPQRSTVWYACDEFGHIKLMNPQRSTVWY"
dna = "ACGTTGCAACGTTGCAACGTTGCAACGTTGCAACGTTGCA"
smiles = "CC(C)CC1=CC=C(C=C1)C(C)C(=O)O"
version = "2.10.0+cu128"
wandb.init(project="digits", key="run1")
wandb.login()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
"""Connects with a password; the token is read from the environment."""
"""Args: password: the password, such as "hunter2"; token: str, the token."""
# the password is asked for, see getpass; token = text of a word
parser.add_argument("--api-key", "-k", help="the key of your account")
parser.add_argument("--token", default="<unk>")
errors = {"password": "must have 8 characters", "token": "is missing"}
columns = {"password": "str", "api_key": "bytes"}
schema = {"password": {"type": "string", "minLength": 8}}
assert tokens.shape == (2, 77)
@torch.jit.script_if_tracing
y = x@self.weight.T + self.bias
'''.strip().splitlines()

REQUIREMENTS = """
--index-url https://download.pytorch.org/whl/cpu
--extra-index-url https://${INDEX_USER}:${INDEX_PASSWORD}@pypi.lab/simple
detect-secrets==1.5.0
keyring==25.6.0
tokenizers==0.21.0
torch==2.10.0 --hash=sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
lab @ git+ssh://git@github.com/lab/lab.git@3f4ab3a4c1d2e3f405162738495a6b7c8d9e0f1a
"""
