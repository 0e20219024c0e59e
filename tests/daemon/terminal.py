"""A program on a pseudo-terminal: its last whole frame as rows of text, and that frame as a picture.

Knows what textmill writes there: home, end of line, colours."""
import fcntl
import html
import os
import pty
import re
import select
import struct
import subprocess
import termios

HOME = b"\033[H"
CLASS = {"1": "h", "2": "s", "31": "b", "32": "g"}


class Terminal:
    def __init__(self, command, columns, rows, **env):
        self.size = (columns, rows)
        self.master, slave = pty.openpty()
        self.resize(columns, rows)
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=subprocess.PIPE,
                                        env={**os.environ, "TERM": "xterm-256color", **env}, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.seen = b""

    def resize(self, columns, rows):
        """The kernel tells the program with SIGWINCH."""
        self.size = (columns, rows)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds=0.2):
        if select.select([self.master], [], [], seconds)[0]:
            try:
                self.seen += os.read(self.master, 65536)
            except OSError:  # it has ended
                pass

    def frames(self):
        """Whole frames so far, each as raw rows."""
        return [f.split(b"\033[J")[0].decode().split("\r\n") for f in self.seen.split(HOME)[1:] if b"\033[J" in f]

    def rows(self):
        return [re.sub(r"\033\[[0-9;?]*[a-zA-Z]", "", row) for row in (self.frames() or [[]])[-1]]

    def type(self, keys):
        os.write(self.master, keys)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.master)

    def picture(self):
        """The last frame as SVG, dark on light or light on dark as the reader has it."""
        columns, rows = self.size
        lines = []
        for y, row in enumerate(self.frames()[-1]):
            spans, style = "", ""
            for text, code in re.findall(r"([^\033]*)(?:\033\[([0-9;?]*)[a-zA-Z])?", row):
                spans += f'<tspan class="{style}">{html.escape(text)}</tspan>' if text else ""
                style = CLASS.get(code, "")
            lines.append(f'<text x="12" y="{28 + 18 * y}" xml:space="preserve">{spans}</text>')
        width, height = 24 + 8.43 * columns, 24 + 18 * len(lines)
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" font-family="monospace" '
                'font-size="14"><style>.f{fill:#fbfbfc}text{fill:#1d2530}.h{font-weight:bold}.s{fill:#667085}'
                '.b{fill:#c0392b}.g{fill:#2e8b57}@media (prefers-color-scheme:dark){.f{fill:#12161c}text{fill:#e7ebf1}'
                '.s{fill:#98a2b3}.b{fill:#f0776a}.g{fill:#5fc48c}}</style>'
                f'<rect class="f" width="100%" height="100%" rx="6"/>\n' + "\n".join(lines) + "\n</svg>\n")
