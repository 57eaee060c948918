"""Starts a stand-in: the folder of the machine, the name of the tool, its arguments."""

import sys

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    from lab.host.standins.tools import main

    sys.exit(main(sys.argv[2], sys.argv[3], sys.argv[4:]))
