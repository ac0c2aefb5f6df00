"""Run by the system's Python under umockdev-wrapper: DESCRIPTION COMMAND... plays the described devices to
the command, and does what lines of JSON on standard input ask for:

{"add": TEXT}, {"remove": SYSPATH}, {"uevent": [SYSPATH, ACTION]}, {"say": [DEVICE, TEXT]}, {"stop": true}
"""

import json
import os
import signal
import subprocess
import sys
import threading

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import GLib, UMockdev  # noqa: E402


def main():
    bed = UMockdev.Testbed.new()
    there = set()

    def add(text):
        """Devices of which several descriptions speak are added once."""
        for part in filter(str.strip, text.split("\n\n")):
            path = part.split()[1]
            if path not in there:
                there.add(path)
                bed.add_from_string(part.strip() + "\n")

    with open(sys.argv[1], encoding="utf-8") as file:
        add(file.read())
    child = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL)
    loop = GLib.MainLoop()

    def obey(line):
        order = json.loads(line)
        if "add" in order:
            add(order["add"])
        elif "remove" in order:
            there.discard(order["remove"])
            bed.remove_device("/sys" + order["remove"])
        elif "uevent" in order:
            bed.uevent(*order["uevent"])
        elif "say" in order:
            device, text = order["say"]
            os.write(bed.get_dev_fd(device), text.encode("latin-1"))
        else:
            child.send_signal(signal.SIGTERM)
        return False

    def listen():
        for line in sys.stdin:
            GLib.idle_add(obey, line)

    def wait():
        child.wait()
        GLib.idle_add(loop.quit)

    for act in (listen, wait):
        threading.Thread(target=act, daemon=True).start()
    loop.run()
    return child.returncode


if __name__ == "__main__":
    sys.exit(main())
