"""Computes the constants of the known-answer tests from the layouts alone.

An implementation of its own, in another language and on another library (`cryptography` 44 or
newer): `python3 crates/envelope/vectors.py` prints what the tests beside the sources hold.
"""

import base64
import hashlib
import hmac
import struct
import uuid

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

KEK_ID = uuid.UUID("11111111-2222-4333-8444-555555555555").bytes
SECRET = uuid.UUID("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee").bytes
KEK, DATA_KEY = bytes(range(32)), bytes(range(32, 64))
SALT, NONCE = bytes(range(64, 96)), bytes(range(96, 108))
VALUE = b"correct horse battery staple"
PASSPHRASE, SLOT_SALT = b"a passphrase of 28 letters..", bytes(range(16))


def framed(*parts):
    return b"".join(struct.pack(">Q", len(part)) + part for part in parts)


def aad(algorithm, *parts):
    return bytes([1, algorithm, len(parts)]) + framed(*parts)


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def hkdf(key, salt, info, length):
    prk, block, output = mac(salt, key), b"", b""
    for counter in range(1, 256):
        if len(output) >= length:
            return output[:length]
        block = mac(prk, block + info + bytes([counter]))
        output += block


PLACE = (b"secret-version", b"production", SECRET, struct.pack(">Q", 7), b"value")
sealing, wrapping = aad(1, *PLACE), aad(2, *PLACE, KEK_ID)
okm = hkdf(KEK, SALT, b"secretref/v1/wrap" + wrapping, 64)
wrapped_ciphertext = AESGCM(okm[:32]).encrypt(bytes(12), DATA_KEY, wrapping)
sealed = b"\x01" + NONCE + AESGCM(DATA_KEY).encrypt(NONCE, VALUE, sealing)

parameters = b"m=65536,t=3,p=1"
derived = Argon2id(salt=SLOT_SALT, length=64, iterations=3, lanes=1, memory_cost=65536).derive(
    PASSPHRASE
)
slot_aad = framed(b"secretref/v1/slot", KEK_ID, parameters, SLOT_SALT)
slot_ciphertext = AESGCM(derived[:32]).encrypt(bytes(12), KEK, slot_aad)


def text(kind, *fields):
    kek = b"kek: " + str(uuid.UUID(bytes=KEK_ID)).encode()
    lines = [b"secretref root key v1", b"kind: " + kind, kek]
    body = b"".join(line + b"\n" for line in [*lines, *fields])
    return (body + b"sum: " + hashlib.sha256(body).hexdigest().encode() + b"\n").decode()


def encoded(name, content):
    return name + base64.b64encode(content)


print("sealing AAD     ", sealing.hex())
print("wrapping AAD    ", wrapping.hex())
print("check value     ", hkdf(KEK, KEK_ID, b"secretref/v1/check", 32).hex())
print("wrapped         ", (b"\x02" + KEK_ID + SALT + okm[32:] + wrapped_ciphertext).hex())
print("sealed          ", sealed.hex())
print("sealed digest   ", hashlib.sha256(sealed).hexdigest())
PARTS = (b"grant", b"", b"7")
print("authority MAC   ", mac(DATA_KEY, framed(b"secretref/v1/authority", *PARTS)).hex())
print("blind           ", mac(DATA_KEY, framed(b"secretref/v1/blind", *PARTS)).hex())
print("chain           ", hashlib.sha256(bytes(32) + b"first entry").hexdigest())
print(text(b"file", encoded(b"key: ", KEK)))
print(
    text(
        b"passphrase",
        b"argon2id: " + parameters,
        encoded(b"salt: ", SLOT_SALT),
        encoded(b"commit: ", derived[32:]),
        encoded(b"sealed: ", slot_ciphertext),
    )
)
