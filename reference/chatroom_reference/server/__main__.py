"""``python -m chatroom_reference.server``."""

import sys

from chatroom_reference.server.cli import main

sys.exit(main())
