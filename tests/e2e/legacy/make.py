"""Makes a database file as the Python service left them, by its documented schema, with what hands have edited since.

usage: make.py FILE (new|old) PASSPHRASE|KEYFILE   ·   a path to a key file is made when the third argument ends in .key
"""

import base64, hashlib, hmac, json, os, sqlite3, struct, subprocess, sys

file, layout, key = sys.argv[1:4]

if key.endswith(".key"):
    fernet_key = os.urandom(32)
    with open(key, "wb") as out:
        out.write(base64.urlsafe_b64encode(fernet_key))
else:
    fernet_key = hashlib.sha256(key.encode()).digest()


def fernet(text, key=fernet_key):
    iv = os.urandom(16)
    command = ["openssl", "enc", "-aes-128-cbc", "-K", key[16:].hex(), "-iv", iv.hex()]
    body = subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout
    signed = b"\x80" + struct.pack(">Q", 1700000000) + iv + body
    return base64.urlsafe_b64encode(signed + hmac.new(key[:16], signed, hashlib.sha256).digest()).decode()


def password(text, salt="00112233445566778899aabbccddeeff"):
    return salt + ":" + hashlib.pbkdf2_hmac("sha256", text.encode(), salt.encode(), 100_000).hex()


def token(name):
    """The same secret in every run: 43 characters that its name stands for."""
    return base64.urlsafe_b64encode(hashlib.sha256(name.encode()).digest()).decode().rstrip("=")


def sha(name):
    return hashlib.sha256(token(name).encode()).hexdigest()


def uuid(kind, number):
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


SCHEMA = """
CREATE TABLE users (id VARCHAR(36) NOT NULL PRIMARY KEY, email VARCHAR(255) NOT NULL UNIQUE, password_hash VARCHAR(255) NOT NULL,
    is_active BOOLEAN NOT NULL, is_admin BOOLEAN NOT NULL, display_name VARCHAR(255), preferred_model VARCHAR(255),
    preferences JSON, created_at DATETIME NOT NULL, last_login_at DATETIME);
CREATE TABLE user_tokens (id VARCHAR(36) NOT NULL PRIMARY KEY, user_id VARCHAR(36) NOT NULL REFERENCES users (id), name VARCHAR(255),
    token_hash VARCHAR(255) NOT NULL, scopes JSON, is_active BOOLEAN NOT NULL, created_at DATETIME NOT NULL, last_used_at DATETIME,
    expires_at DATETIME);
CREATE TABLE provider_keys (id VARCHAR(36) NOT NULL PRIMARY KEY, user_id VARCHAR(36) NOT NULL REFERENCES users (id),
    provider VARCHAR(100) NOT NULL, encrypted_key TEXT NOT NULL, is_active BOOLEAN NOT NULL, created_at DATETIME NOT NULL);
CREATE TABLE invite_tokens (id VARCHAR(36) NOT NULL PRIMARY KEY, token_hash VARCHAR(255) NOT NULL UNIQUE, created_by VARCHAR(36),
    used_by VARCHAR(36), is_used BOOLEAN NOT NULL, created_at DATETIME NOT NULL, expires_at DATETIME);
CREATE TABLE sessions (id VARCHAR(36) NOT NULL PRIMARY KEY, user_id VARCHAR(36), status VARCHAR(20) NOT NULL, state_tokens JSON,
    created_at DATETIME NOT NULL, last_used_at DATETIME);
CREATE TABLE session_messages (id VARCHAR(36) NOT NULL PRIMARY KEY, session_id VARCHAR(36) NOT NULL REFERENCES sessions (id),
    sequence INTEGER NOT NULL, modality VARCHAR(20) NOT NULL, input_data JSON, output_data JSON, state_tokens JSON,
    created_at DATETIME NOT NULL);
CREATE TABLE models (id VARCHAR(255) NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL, modality VARCHAR(20) NOT NULL,
    provider VARCHAR(100), status VARCHAR(50) NOT NULL, created_at DATETIME NOT NULL);
"""
# As the later versions altered it.
LATER = """
ALTER TABLE provider_keys ADD COLUMN credential_type VARCHAR(50) NOT NULL DEFAULT 'api_key';
ALTER TABLE sessions ADD COLUMN title VARCHAR(255);
ALTER TABLE sessions ADD COLUMN system_prompt TEXT;
CREATE TABLE default_models (modality VARCHAR(20) NOT NULL PRIMARY KEY, model_id VARCHAR(255) REFERENCES models (id),
    updated_at DATETIME NOT NULL);
CREATE TABLE llm_metrics_buckets (bucket_time DATETIME NOT NULL PRIMARY KEY, requests INTEGER NOT NULL);
"""

db = sqlite3.connect(file)
db.executescript(SCHEMA)
if layout == "new":
    db.executescript(LATER)

DAY = "2026-11-22 12:06:02.130275"
FAR = "2999-01-01 00:00:00.000000"


def add(table, **row):
    for name, value in row.items():
        if isinstance(value, (dict, list)):
            row[name] = json.dumps(value)
    columns = ", ".join(row)
    db.execute(f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def user(number, email, **more):
    row = dict(id=uuid(1, number), email=email, password_hash=password("short"), is_active=1, is_admin=0, display_name=None,
               preferences={}, created_at=DAY, last_login_at=None)
    add("users", **(row | more))


def user_token(number, name, owner, **more):
    row = dict(id=uuid(2, number), user_id=owner, name=name, token_hash=sha(f"token {number}"), scopes=[], is_active=1,
               created_at=DAY, last_used_at=None, expires_at=None)
    add("user_tokens", **(row | more))


def provider_key(number, owner, provider, text, kind="api_key", **more):
    sealed = text if isinstance(text, str) else fernet(json.dumps(text))
    row = dict(id=uuid(3, number), user_id=owner, provider=provider, encrypted_key=sealed, is_active=1, created_at=DAY)
    if layout == "new":
        row["credential_type"] = kind
    add("provider_keys", **(row | more))


def invite(number, **more):
    row = dict(id=uuid(4, number), token_hash=sha(f"invite {number}"), created_by=ADA, used_by=None, is_used=0, created_at=DAY,
               expires_at=FAR)
    add("invite_tokens", **(row | more))


def session(number, **more):
    row = dict(id=uuid(5, number), user_id=None, status="active", state_tokens=None, created_at=DAY, last_used_at=DAY)
    add("sessions", **(row | more))


def exchange(number, of, sequence, prompt, reply, **more):
    row = dict(id=uuid(6, number), session_id=uuid(5, of), sequence=sequence, modality="text",
               input_data={"prompt": prompt, "images": None, "mesh": None},
               output_data={"text": reply, "images": None, "mesh": None, "artifacts": None}, state_tokens="null", created_at=DAY)
    add("session_messages", **(row | more))


ADA, GRACE, LINUS, NOBODY = uuid(1, 1), uuid(1, 2), uuid(1, 3), uuid(1, 999)

user(1, "ada", is_admin=1, display_name="Ada \U0001f986", preferences={"theme": "dark", "list": [1, None, "\u00e9"]})
user(2, "grace", password_hash=password("p\u00e4ssw\u00f6rd-\u00fcn\u00efcode"), preferred_model="gpt-4o-mini", last_login_at=DAY)
provider_key(1, ADA, "openai", {"api_key": "sk-old-ada-0001"})
session(1)
exchange(1, 1, 1, "Hello there", "General remarks")

if layout == "new":
    user(3, "linus", is_active=0)
    # Names.
    user(4, "  blank  ")
    user(5, "")
    user(6, "Ada")
    user(7, "service")
    user(8, "nul\x00name")
    user(9, "grace ")
    user(10, "x" * 1000)
    # Cells.
    user(11, "odd-hash", password_hash="plain text")
    user(12, "odd-flags", is_admin=2, is_active="yes")
    user(13, "odd-json", preferences='{"a": NaN, "b": "\\ud83d", "c": 123456789012345678901234567890, "keep": "me"}')
    user(14, "no-json", preferences="{'theme': 'dark'}")
    user(15, "no-object", preferences="[1, 2]")
    user(16, "deep-json", preferences='{"keep": "me", "deep": ' + "[" * 500 + "]" * 500 + "}")
    user(17, "json-null", preferences="null")
    user(18, "odd-days", created_at="2026-11-22T13:06:02+01:00", last_login_at="2026-11-22 12:06:02")
    user(19, "no-days", created_at="yesterday", last_login_at="never")
    user(20, "odd-bytes", display_name="?")
    db.execute("UPDATE users SET display_name = CAST(X'4772fcdf65' AS TEXT) WHERE email = 'odd-bytes'")
    add("users", id="user-one", email="odd-id", password_hash=password("short"), is_active=1, is_admin=0, created_at=DAY)

    user_token(1, "session", ADA, expires_at=FAR)
    user_token(2, "ci", ADA, scopes=["read", "write"])
    user_token(3, "revoked", ADA, is_active=0)
    user_token(4, "expired", ADA, expires_at="2026-01-01 00:00:00.000000")
    user_token(5, "of linus", LINUS)
    user_token(6, "static", "dev-user")
    user_token(7, "jwt", "jwt-user")
    user_token(8, "orphan", NOBODY)
    user_token(9, "no hash", ADA, token_hash="none")
    user_token(10, "upper case", ADA, token_hash=sha("token 10").upper())
    user_token(11, "twice, revoked", ADA, token_hash=sha("token 12"), is_active=0)
    user_token(12, "twice", ADA)
    user_token(13, "odd expiry", ADA, expires_at="soon")
    user_token(14, "session", ADA, expires_at="soon")
    user_token(15, "na\x00me", "user-one", scopes="null")

    provider_key(2, ADA, "azure", {"api_key": "azk-old-ada", "endpoint": "https://x.openai.azure.com/"}, "endpoint_key")
    provider_key(3, ADA, "anthropic", {"api_key": "sk-deleted"}, is_active=0)
    provider_key(4, ADA, "openai", {"api_key": "sk-second"})
    provider_key(5, ADA, "cohere", {"api_key": "co-old"})
    provider_key(6, ADA, "perplexity", {"api_key": "pp-old"})
    provider_key(7, ADA, " Gemini ", {"oauth_token": "ya29.old"}, "oauth_token")
    provider_key(8, GRACE, "openai", fernet('{"api_key": "sk-lost"}', os.urandom(32)))
    provider_key(9, GRACE, "groq", fernet("no JSON at all"))
    provider_key(10, GRACE, "xai", {"api_key": ""})
    provider_key(11, GRACE, "custom", {"api_key": "sk-private", "endpoint": "http://10.0.0.7:8000/v1"}, "endpoint_key")
    provider_key(12, GRACE, "google", {"service_account_json": "{\"type\": \"service_account\"}"}, "service_account")
    provider_key(13, GRACE, "deepseek", {"oauth_token": "guess"}, "???")
    provider_key(14, "dev-user", "groq", {"api_key": "gsk-static"})
    provider_key(15, "jwt-user", "groq", {"api_key": "gsk-jwt"})
    provider_key(16, NOBODY, "groq", {"api_key": "gsk-orphan"})

    invite(1)
    invite(2, is_used=1, used_by=GRACE)
    invite(3, expires_at="2026-01-01 00:00:00.000000")
    invite(4, token_hash="none")
    invite(5, created_by=NOBODY)
    invite(6, expires_at=None)

    db.execute("UPDATE sessions SET title = 'First talk', system_prompt = 'Be brief.', state_tokens = '{\"turn\": 1}'")
    exchange(2, 1, 2, "Draw a duck", None, output_data={"stream": True})
    exchange(3, 1, 2, "The same place, later", "yes", created_at="2026-11-22 12:07:02.000000")
    exchange(4, 1, 3, "And pushed on", "indeed", state_tokens={"turn": 1})
    session(2, status="closed", title="Closed", state_tokens="null")
    exchange(5, 2, 1, "a duck", None, modality="image",
             output_data={"text": None, "images": ["iVBORw=="], "mesh": None, "artifacts": None})
    exchange(6, 2, 2, "a file", None, modality="image",
             output_data={"text": None, "images": None, "mesh": None, "artifacts": [{"id": "x", "type": "image", "url": "http://x"}]})
    exchange(7, 2, 3, "a mesh", None, modality="3d",
             output_data={"text": None, "images": None, "mesh": "dmVydGV4", "artifacts": None})
    exchange(8, 2, 4, "look", "nice", input_data={"prompt": "look", "images": ["data:image/png;base64,iVBORw==", 7], "mesh": None})
    session(3, status="archived", title="nul\x00 and half an emoji", state_tokens="[1]")
    exchange(9, 3, 1, "half \ud83d", "nul\x00")
    exchange(10, 3, 2, 42, None, output_data="oops", state_tokens="{")
    exchange(11, 3, 0, "no number", "at the end", modality="video", created_at="?")
    session(4, title="t" * 1000, user_id=GRACE)
    session(5, title="", user_id=NOBODY, last_used_at=None)
    exchange(12, 77, 1, "nobody's", "words")

    for model, provider in [("gpt-4o", "openai"), ("Qwen/Qwen2.5-3B-Instruct", "local")]:
        add("models", id=model, name=model, modality="text", provider=provider, status="available", created_at=DAY)
    add("default_models", modality="text", model_id="gpt-4o", updated_at=DAY)
    add("default_models", modality="image", model_id="gone/away", updated_at="?")
    add("default_models", modality="3d", model_id="openai/shap-e", updated_at=DAY)
    add("default_models", modality="audio", model_id="x", updated_at=DAY)
    add("default_models", modality="none", model_id=None, updated_at=DAY)

db.commit()
db.close()
print(json.dumps({"tokens": {str(n): token(f"token {n}") for n in range(1, 16)},
                  "invites": {str(n): token(f"invite {n}") for n in range(1, 7)}}))
