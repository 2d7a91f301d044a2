"""Provider secrets: what each provider signs its feedback with, in tests."""

import base64

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEY = ec.generate_private_key(ec.SECP256R1())
SECRETS = {
    "postmark": "user:pässword",
    "sendgrid": base64.b64encode(
        KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode(),
    "mailchimp": "mandrill-key",
    "resend": f"whsec_{base64.b64encode(b'k' * 24).decode()}",
}
