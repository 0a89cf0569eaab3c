"""Brokers of a test's own, to be killed and started again; each keeps nothing."""

import os
import shutil
import signal
import socket
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

from amqp.exceptions import AMQPError
from kombu import Connection
from kombu.exceptions import KombuError

from tests.faults.scene import answers, until
from tests.mailserver import free_port


@contextmanager
def running(broker):
    broker.start()
    try:
        yield broker
    finally:
        broker.end()


class Redis:
    def __init__(self, folder, binary):
        self.folder, self.binary, self.port = folder, binary, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        self.process = subprocess.Popen([str(self.binary), *words], stdout=subprocess.DEVNULL)
        until(lambda: answers(self.port), "Redis answers")

    def has_listener(self):
        """Does a worker wait for messages?"""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
            line.sendall(b"CLIENT LIST\r\n")
            return b" cmd=brpop " in line.recv(65536)
        return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    end = kill


class RabbitMQ:
    def __init__(self, folder, binary):
        self.folder, self.binary = folder / "rabbitmq", binary
        self.port, self.node_port, self.epmd_port = free_port(), free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self.lives = 0

    def start(self):
        self.lives += 1
        data = self.folder / str(self.lives)  # the queues of the life before are gone
        data.mkdir(parents=True)
        (data / "rabbitmq.conf").write_text(f"listeners.tcp.default = 127.0.0.1:{self.port}\n")
        settings = {
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": data / "rabbitmq.conf",
            "RABBITMQ_NODENAME": f"faults{self.port}@localhost",
            "RABBITMQ_DIST_PORT": self.node_port,
            "RABBITMQ_MNESIA_BASE": data,
            "RABBITMQ_LOG_BASE": data,
            "RABBITMQ_ENABLED_PLUGINS_FILE": data / "plugins",
            "ERL_EPMD_PORT": self.epmd_port,
            "HOME": data,
        }
        env = os.environ | {name: str(value) for name, value in settings.items()}
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [self.binary], env=env, stdout=log, stderr=log, start_new_session=True, cwd=data
            )
        until(self.is_up, "RabbitMQ answers", 60)

    def is_up(self):
        with suppress(OSError, AMQPError, KombuError), Connection(self.url, connect_timeout=2) as line:
            return line.ensure_connection(max_retries=1) is not None
        return False

    def has_listener(self):
        """Does a worker wait for messages?"""
        with suppress(OSError, AMQPError, KombuError), Connection(self.url, connect_timeout=2) as line:
            return line.channel().queue_declare("celery", passive=True).consumer_count > 0
        return False

    def kill(self):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self):
        self.kill()
        if epmd := shutil.which("epmd"):  # the name server, which Erlang starts by itself
            subprocess.run([epmd, "-port", str(self.epmd_port), "-kill"], capture_output=True, check=False)


def rabbitmq_binary():
    """Debian's own command changes the user, and with it the folder; the one behind it does not."""
    behind = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    return os.environ.get("RABBITMQ_SERVER") or (str(behind) if behind.exists() else shutil.which("rabbitmq-server"))
