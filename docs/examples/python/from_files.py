"""Takes a secret from the sidecar's folder, and follows it. Standard library only.

    python3 from_files.py /run/secretref STRIPE_API_KEY           once
    python3 from_files.py /run/secretref STRIPE_API_KEY --follow  and each new value
"""

import hashlib
import os
import sys
import time


def read(folder, name):
    """The value. A file is always whole, and never changed once it is open."""
    with open(os.path.join(folder, name), "rb") as file:
        return file.read()


def read_together(folder, names):
    """Several values of one set: the folder `..data` is opened once and read beneath."""
    handle = os.open(os.path.join(folder, "..data"), os.O_RDONLY | os.O_DIRECTORY)
    try:
        values = {}
        for name in names:
            with open(os.open(name, os.O_RDONLY, dir_fd=handle), "rb") as file:
                values[name] = file.read()
        return values
    finally:
        os.close(handle)


def follow(folder, name):
    """Each value as it comes, the present one first. One link changes with every set, so that is
    all that has to be looked at."""
    link = os.path.join(folder, "..data")
    seen = last = None
    while True:
        try:
            now = os.readlink(link)
            if now != seen:
                value = read(folder, name)
                seen = now
                if value != last:
                    last = value
                    yield value
        except FileNotFoundError:
            # Withdrawn, or the sidecar is starting: what we have may still be good.
            seen = None
        time.sleep(0.2)


def use(name, value):
    """Stands for an agent's work: here a client would be made anew with the value."""
    print(f"{name} sha256 {hashlib.sha256(value).hexdigest()}", flush=True)


if __name__ == "__main__":
    _, folder, name, *options = sys.argv
    if "--follow" in options:
        for value in follow(folder, name):
            use(name, value)
    else:
        use(name, read_together(folder, [name])[name])
