"""Forged model files and checkpoints: invalid content with a matching digest."""

import json

from safetensors.numpy import load, save_file

from skmlp.files.encoding import compute_digest, to_json


def forge(path, change, arrays=None):
    """Change the description and arrays of a file, and store a matching digest, as an attacker could."""
    description = json.loads(json.loads(read_header(path))["__metadata__"]["skmlp"])
    arrays = load(path.read_bytes()) | (arrays or {})
    change(description)
    description.pop("sha256", None)
    description["sha256"] = compute_digest(description, arrays)
    save_file(arrays, path, metadata={"skmlp": to_json(description)})


def read_header(path):
    content = path.read_bytes()
    return content[8 : 8 + int.from_bytes(content[:8], "little")]
