"""Lines with secrets and lines that only look so. Every secret is put together here, so that no file holds one."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import uuid

_UPPER32 = string.ascii_uppercase + "234567"
_BASE62 = string.ascii_letters + string.digits
_URLSAFE = _BASE62 + "-_"
_HEX = "0123456789abcdef"


class Secrets:
    """Makes secrets of every kind; the same seed gives the same ones."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)

    def draw(self, alphabet: str, size: int) -> str:
        return "".join(self._random.choice(alphabet) for _ in range(size))

    def aws_key(self) -> str:
        return "AK" + "IA" + self.draw(_UPPER32, 16)

    def github(self) -> str:
        return "gh" + "p_" + self.draw(_BASE62, 36)

    def pem(self, kind: str = "RSA ") -> str:
        data = base64.b64encode(self._random.randbytes(600)).decode()
        lines = "\n".join(data[at : at + 64] for at in range(0, len(data), 64))
        return f"-----BEGIN {kind}PRIVATE" + f" KEY-----\n{lines}\n-----END {kind}PRIVATE" + " KEY-----"

    def jwt(self) -> str:
        parts = ({"alg": "HS256", "typ": "JWT"}, {"sub": self.draw(string.digits, 12), "iat": 1516239022})
        head = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        return f"{head}.{self.draw(_URLSAFE, 43)}"

    def password(self) -> str:
        return self.draw(string.ascii_lowercase, 5) + self.draw(string.digits, 3) + "!" + self.draw(_BASE62, 5)

    def all(self) -> list[tuple[str, str, str]]:
        """Kind, the secret, and a text that holds it."""
        draw = self.draw
        made: list[tuple[str, str, str]] = []

        def add(kind: str, secret: str, text: str = 'client = connect("{}")') -> None:
            made.append((kind, secret, text.replace("{}", secret)))

        add("aws id", self.aws_key(), "aws_access_key_id = {}")
        add("aws secret", draw(_BASE62 + "/+", 40), "aws_secret_access_key = {}")
        add("aws secret in code", draw(_BASE62 + "/+", 40), "secretAccessKey: '{}',")
        add("github", self.github(), "GITHUB_TOKEN={}")
        add("github server", "gh" + "s_" + draw(_BASE62, 36))
        add("github fine-grained", "github" + "_pat_" + draw(_BASE62, 22) + "_" + draw(_BASE62, 59))
        add("github in a url", self.github(), "git clone https://{}@github.com/acme/app.git")
        add("gitlab", "glp" + "at-" + draw(_URLSAFE[:-2], 20))
        add("gitlab runner", "gl" + "rt-" + draw(_URLSAFE[:-2], 20))
        add("slack bot", "xo" + "xb-" + f"{draw('123456789', 12)}-{draw('123456789', 12)}-{draw(_BASE62, 24)}")
        add("slack app", "xa" + "pp-" + f"1-A{draw(_UPPER32, 10)}-{draw('123456789', 13)}-{draw(_HEX, 64)}")
        add(
            "slack webhook",
            f"T{draw(_UPPER32, 8)}/B{draw(_UPPER32, 8)}/{draw(_BASE62, 24)}",
            "url: https://hooks.slack" + ".com/services/{}",
        )
        add("stripe live", "sk" + "_live_" + draw(_BASE62, 24))
        add("stripe restricted", "rk" + "_live_" + draw(_BASE62, 99))
        add("stripe webhook", "wh" + "sec_" + draw(_BASE62, 32))
        add("openai", "sk" + "-" + draw(_BASE62, 20) + "T3Blbk" + "FJ" + draw(_BASE62, 20))
        add("openai project", "sk" + "-proj-" + draw(_URLSAFE, 74) + "T3Blbk" + "FJ" + draw(_URLSAFE[:-2], 74))
        add("anthropic", "sk" + "-ant-api03-" + draw(_URLSAFE, 93) + "AA", "export ANTHROPIC_API_KEY={}")
        add("google api", "AI" + "za" + draw(_BASE62, 35))
        add("google oauth", "GOC" + "SPX-" + draw(_BASE62, 28), '"client_secret": "{}"')
        add("private key", self.pem(), "{}\n")
        add("openssh key", self.pem("OPENSSH "), "{}\n")
        add("private key in json", self.pem("").replace("\n", "\\n"), '{"private_key": "{}"}')
        add("jwt", self.jwt(), "Cookie: session={}")
        add("npm", "np" + "m_" + draw(_BASE62, 36), "//npm.example.com/:_authToken={}")
        add("npmrc, old", str(uuid.UUID(int=self._random.getrandbits(128))), "//npm.acme.io/:_authToken={}")
        add("pypi", "py" + "pi-AgEIcHlwaS5vcmc" + draw(_URLSAFE[:-2], 120), "password = {}")
        add(
            "azure storage",
            draw(_BASE62 + "+/", 86) + "==",
            "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey={};EndpointSuffix=core.windows.net",
        )
        add("azure client", draw(_BASE62, 3) + "8Q" + "~" + draw(_BASE62, 34), "AZURE_CLIENT_SECRET: {}")
        add("twilio", "S" + "K" + draw(_HEX, 32))
        add("sendgrid", "S" + "G." + draw(_BASE62, 22) + "." + draw(_BASE62, 43))
        add("mailgun", "ke" + "y-" + draw(_HEX, 32))
        add("huggingface", "h" + "f_" + draw(string.ascii_letters, 34))
        add("digitalocean", "do" + "p_v1_" + draw(_HEX, 64))
        add("docker", "dck" + "r_pat_" + draw(_BASE62, 27))
        add("databricks", "da" + "pi" + draw(_HEX, 32))
        add("shopify", "shp" + "at_" + draw(_HEX, 32))
        add("telegram", draw("123456789", 9) + ":A" + "A" + draw(_BASE62, 33))
        add("vault", "hv" + "s." + draw(_BASE62, 95))
        add("terraform", draw(_BASE62, 14) + ".atlas" + "v1." + draw(_BASE62, 67))
        add("linear", "lin" + "_api_" + draw(_BASE62, 40))
        add("rubygems", "ruby" + "gems_" + draw(_HEX, 48))
        add("postman", "PM" + "AK-" + draw(_HEX, 24) + "-" + draw(_HEX, 34))
        add("grafana", "gl" + "sa_" + draw(_BASE62, 32) + "_" + draw(_HEX, 8))
        add("age", "AGE-SECRET" + "-KEY-1" + draw("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58), "{}\n")
        add("discord", f"{draw('123456789', 18)}/{draw(_BASE62, 68)}", "https://discord.com/api/webhooks/{}")
        add("postgres url", self.password(), "DATABASE_URL=postgresql://app:{}@db.acme.io:5432/app")
        add("mongo url", self.password().replace("!", "_"), 'uri = "mongodb+srv://svc:{}@cluster0.acme.net/db"')
        add("redis url", draw(_BASE62, 24), "redis://:{}@cache.acme.io:6379/0")
        add(
            "basic header",
            base64.b64encode(b"svc:" + draw(_BASE62, 18).encode()).decode(),
            "curl -H 'Authorization: Basic {}' https://acme.io",
        )
        add("bearer header", draw(_BASE62, 40), 'headers = {"Authorization": "Bearer {}"}')
        add("generic env", draw(_BASE62, 32), "ACME_API_KEY={}")
        add("generic code", draw(_BASE62, 40), 'API_TOKEN = "{}"')
        add("generic hex", draw(_HEX, 40), "  token: {}")
        add("generic json", draw(_URLSAFE[:-2], 32), '  "clientSecret": "{}",')
        add("generic yaml", draw(_BASE62, 48), "secret_key_base: {}")
        add("generic php", draw(_BASE62, 32), "define('AUTH_KEY', '{}');")
        add("generic toml", draw(_HEX, 64), "session_key = '{}'")
        add("password in code", self.password(), 'password = "{}"')
        add("password in yaml", self.password(), "  db_password: {}")
        add("password in env", self.password(), "SMTP_PASSWORD={}")
        add("password in json", self.password(), '"passwd": "{}"')
        return made  # fmt: skip


def harmless(seed: int = 2) -> list[tuple[str, str]]:
    """Kind and text of what is no secret, though tools take it for one."""
    drawn = random.Random(seed)
    noise = drawn.randbytes

    def sha(kind: str) -> str:
        return hashlib.new(kind, noise(20)).hexdigest()

    integrity = base64.b64encode(hashlib.sha512(noise(20)).digest()).decode()
    image = base64.b64encode(noise(900)).decode()
    made = [
        ("git sha", f"pinned to commit {sha('sha1')}"),
        ("git sha as a key", f'"key": "{sha("sha1")}"'),
        ("cache key", f'cache_key = "{sha("md5")}"'),
        ("checksum", f'sha256 = "{sha("sha256")}"'),
        ("token hash", f'token_hash = "{sha("sha256")}"'),
        ("password hash", "password_hash = '$2b$12$" + base64.b64encode(noise(39)).decode().rstrip("=") + "'"),
        ("lock file, npm", f'"integrity": "sha512-{integrity}"'),
        ("lock file, yarn", f'  resolved "https://npm.example.com/js-tokens/-/js-tokens-4.0.0.tgz#{sha("sha1")}"'),
        ("lock file, cargo", f'checksum = "{sha("sha256")}"'),
        ("lock file, poetry", f'    {{file = "token_utils-1.0.tar.gz", hash = "sha256:{sha("sha256")}"}},'),
        ("lock file, go", f"github.com/acme/auth v1.2.3 h1:{base64.b64encode(noise(32)).decode()}"),
        ("uuid", f'id = "{uuid.UUID(int=drawn.getrandbits(128))}"'),
        ("uuid beside a telling name", f'auth_session = "{uuid.UUID(int=drawn.getrandbits(128))}"'),
        ("image", f'<img src="data:image/png;base64,{image}">'),
        ("image in css", f"background: url(data:font/woff2;base64,{image})"),
        ("svg path", '<path d="M12.5 3.2c4.1 0 7.3 3.3 7.3 7.3s-3.3 7.3-7.3 7.3"/>'),
        ("public key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + base64.b64encode(noise(32)).decode()),
        ("certificate", "-----BEGIN CERTIFICATE-----\n" + image[:640] + "\n-----END CERTIFICATE-----"),
        ("header of a key alone", 'if "-----BEGIN RSA PRIVATE' + ' KEY-----" in text:'),
        ("key with its body left out", "-----BEGIN RSA PRIVATE" + " KEY-----\n...\n-----END RSA PRIVATE" + " KEY-----"),
        ("minified", 'function(e,t){var n=e.token||t.secretKey;return n&&"string"==typeof n?n.slice(0,8):null}'),
        ("minified, keys", '{accessKey:e.accessKey,secretKey:t.secretKey2,authToken:n.authToken1,key:"ArrowLeft"}'),
        ("i18n", '"password": "Passwort", "password_hint": "Mindestens 8 Zeichen", "token_expired": "Sitzung beendet"'),
        ("i18n, long", '"login.password.label": "Mot-de-passe", "secret.question": "Quelle-est-votre-question?"'),
        ("aws example", "aws_access_key_id = AKIAIOSFODNN7" + "EXAMPLE"),
        ("aws example secret", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY"),
        ("github in docs", "GITHUB_TOKEN=ghp_" + "x" * 36),
        ("stripe in docs", "STRIPE_KEY=sk_test_" + "." * 24),
        ("token of k8s", "secretName: my-app-tls-secret-2024"),
        ("name of a secret", 'secret_name = "projects/acme/secrets/db-pass/versions/3"'),
        ("type", "def login(token: OAuth2PasswordBearerToken2, password: SecretStr) -> None:"),
        ("call", "token = create_access_token(user_id=42, secret=settings.secret_key_v2)"),
        ("lookup", 'api_key = os.environ["ACME_API_KEY_V2"]'),
        ("property", "client_secret = self.config.client_secret_v2"),
        ("path", "private_key_file = /etc/ssl/private/server-2024-01.key"),
        ("key path", 'private_key = "keys/prod2024/server1.pem"'),
        ("url", 'token_url = "https://login.acme.io/oauth2/v2.0/token?tenant=3f2a91bc"'),
        ("url without password", "postgres://localhost:5432/app?sslmode=disable"),
        ("url with a placeholder", "postgres://user:password@localhost/app"),
        ("url with a variable", "postgres://app:${DB_PASSWORD}@db/app"),
        ("url of docs", "https://user:hunter22@www.example.com/path"),
        ("url like a password", "http://acme.io:8080/@scope/package"),
        ("constant", "TOKEN_EXPIRES_AFTER_SECONDS = 1209600000000"),
        ("enum", 'AUTH_KEY = "authentication_key_required"'),
        ("css class", '<div class="token keyword-secret2024 auth-form-16px-v2">'),
        ("csrf", f'csrf_token = "{sha("sha1")}"'),
        ("page token", f'next_page_token = "{sha("sha1")}"'),
        ("prompt", 'password = input("Password: ")'),
        ("comparison", "if password == other.password1 and token != previous_token_2:"),
        ("version", "auth-library = 2.1.17-beta.20240115"),
        ("terraform", "password = random_password.db_2.result"),
        ("helm", "password: {{ .Values.postgres.password2 | b64enc }}"),
        ("action", "token: ${{ secrets.GITHUB_TOKEN }}"),
        ("tokenizer", '"tokenizer_class": "LlamaTokenizerFast2024V3b"'),
        ("author", 'authored = "2024-01-15T09:12:44.123Z"'),
    ]
    for value in ("changeme", "<your-token>", "${TOKEN}", "your-api-key-here-1234", "password123", "test1234",
                  "secret", "xxxxxxxxxxxxxxxxxxxx", "REPLACE_ME_1234567890", "TODO: set 1 value", "not-a-real-key-00",
                  "0123456789abcdef0123456789abcdef", "aaaaaaaaaaaaaaaa", "%(password)s", "$PASSWORD",
                  "dummy-token-123456", "fake-api-key-7a8b9c0d1e2f", "***************"):  # fmt: skip
        made.append((f"placeholder {value}", f'api_token = "{value}"'))
        made.append((f"placeholder password {value}", f'password = "{value}"'))
    return made
