"""``python -m chatroom_reference.client``."""

import sys

from chatroom_reference.client.cli import main

if __name__ == "__main__":
    sys.exit(main())
