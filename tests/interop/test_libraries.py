"""SSH libraries for Python and Ruby."""

import asyncio
import hashlib
import json

import pytest

from lab import net
from lab.wait import PATIENCE

COMMANDS = ["echo out; exit 0", "echo out; exit 1", "echo out; exit 255", "echo out; kill -TERM $$"]


def connect_paramiko(way):
    import paramiko

    client = paramiko.SSHClient()
    client.load_host_keys(str(way.client.known_hosts))
    client.connect("127.0.0.1", way.front.port, way.login, key_filename=str(way.ring.get("client").path),
                   allow_agent=False, look_for_keys=False, timeout=PATIENCE, banner_timeout=PATIENCE,
                   auth_timeout=PATIENCE)
    return client


@pytest.mark.client("paramiko")
def test_paramiko_exec(both):
    """exit status and signal"""
    def run(way):
        with connect_paramiko(way) as client:
            seen = []
            for command in COMMANDS:
                _, out, _ = client.exec_command(command, timeout=PATIENCE)
                seen.append((out.read(), out.channel.recv_exit_status()))
            assert [out for out, _ in seen] == [b"out\n"] * 4
            return seen

    both(run)


@pytest.mark.client("paramiko")
def test_paramiko_streams(both):
    """8 MiB to stdin"""
    def run(way):
        with connect_paramiko(way) as client:
            stdin, out, _ = client.exec_command("sha256sum", timeout=2 * PATIENCE)
            stdin.write(way.bulk.path.read_bytes())
            stdin.channel.shutdown_write()
            assert way.bulk.sha256 in out.read().decode()
            return out.channel.recv_exit_status()

    both(run)


@pytest.mark.client("paramiko")
def test_paramiko_terminal(both):
    """shell, window size and its change, environment"""
    def run(way):
        with connect_paramiko(way) as client:
            channel = client.get_transport().open_session()
            channel.settimeout(PATIENCE)
            channel.get_pty("xterm", 97, 31)
            channel.update_environment({"LC_TEST": "set"})
            channel.exec_command("stty size; trap 'stty size; exit 5' WINCH; echo $LC_TEST; while :; do sleep 0.05; done")
            text = b""
            while b"set\r\n" not in text:
                text += channel.recv(4096)
            channel.resize_pty(132, 43)
            while data := channel.recv(4096):
                text += data
            return text, channel.recv_exit_status()

    both(run)


@pytest.mark.client("paramiko")
def test_paramiko_sftp(both):
    """sftp put, get, stat"""
    def run(way):
        with connect_paramiko(way) as client, client.open_sftp() as sftp:
            sftp.put(str(way.bulk.path), f"{way.files}/put")
            sftp.get(f"{way.files}/put", f"{way.files}/got")
            assert hashlib.sha256((way.files / "got").read_bytes()).hexdigest() == way.bulk.sha256
            with pytest.raises(FileNotFoundError) as e:
                sftp.stat(f"{way.files}/none")
            return sorted(sftp.listdir(str(way.files))), sftp.stat(f"{way.files}/put").st_size, str(e.value)

    both(run)


@pytest.mark.client("paramiko")
def test_paramiko_forward(both, echo):
    """direct-tcpip"""
    def run(way):
        with connect_paramiko(way) as client:
            channel = client.get_transport().open_channel("direct-tcpip", ("127.0.0.1", echo.port), ("127.0.0.1", 1))
            channel.settimeout(PATIENCE)
            return net.exchange_on(ChannelSocket(channel), b"through" * 20_000)

    both(run)


class ChannelSocket:
    """A paramiko.Channel as net.exchange_on() uses a socket."""

    def __init__(self, channel):
        self.recv = channel.recv
        self.sendall = channel.sendall
        self.shutdown = channel.shutdown


def run_asyncssh(way, use):
    """use(connection), to its end."""
    import asyncssh

    async def session():
        async with asyncssh.connect("127.0.0.1", way.front.port, username=way.login, config=None,
                                    known_hosts=str(way.client.known_hosts), agent_path=None,
                                    client_keys=[str(way.ring.get("client").path)]) as connection:
            return await use(connection)

    return asyncio.run(asyncio.wait_for(session(), 2 * PATIENCE))


@pytest.mark.client("asyncssh")
def test_asyncssh_exec(both):
    """exit status and signal, environment"""
    async def use(connection):
        seen = []
        for command in COMMANDS:
            r = await connection.run(command)
            assert r.stdout == "out\n"
            seen.append((r.exit_status, r.exit_signal))
        r = await connection.run('echo "$LC_TEST"', env={"LC_TEST": "grün"})
        return seen, r.stdout

    both(lambda way: run_asyncssh(way, use))


@pytest.mark.client("asyncssh")
def test_asyncssh_streams(both):
    """8 MiB to stdin and from stdout"""
    def run(way):
        async def use(connection):
            r = await connection.run("cat", input=way.bulk.path.read_bytes(), encoding=None)
            assert hashlib.sha256(r.stdout).hexdigest() == way.bulk.sha256
            return r.exit_status

        return run_asyncssh(way, use)

    both(run)


@pytest.mark.client("asyncssh")
def test_asyncssh_terminal(both):
    """terminal, window size and its change"""
    async def use(connection):
        command = "stty size; trap 'stty size; exit 5' WINCH; echo set; while :; do sleep 0.05; done"
        async with connection.create_process(command, term_type="xterm", term_size=(97, 31)) as p:
            text = await p.stdout.readuntil("set")
            p.change_terminal_size(132, 43)
            text += await p.stdout.read()
            await p.wait()
            return text, p.exit_status

    both(lambda way: run_asyncssh(way, use))


@pytest.mark.client("asyncssh")
def test_asyncssh_sftp(both):
    """sftp put, get, ls"""
    def run(way):
        async def use(connection):
            async with connection.start_sftp_client() as sftp:
                await sftp.put(str(way.bulk.path), f"{way.files}/put")
                await sftp.get(f"{way.files}/put", f"{way.files}/got")
                return sorted(await sftp.listdir(str(way.files)))

        names = run_asyncssh(way, use)
        assert hashlib.sha256((way.files / "got").read_bytes()).hexdigest() == way.bulk.sha256
        return names

    both(run)


@pytest.mark.client("asyncssh")
def test_asyncssh_forwards(both, echo):
    """forwards of ports in both directions"""
    async def use(connection):
        async def ask(port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"through" * 20_000)
            writer.write_eof()
            answer = await reader.read()
            writer.close()
            return answer

        local = await connection.forward_local_port("127.0.0.1", 0, "127.0.0.1", echo.port)
        remote = await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", echo.port)
        return [await ask(local.get_port()), await ask(remote.get_port())]

    both(lambda way: run_asyncssh(way, use))


NET_SSH = r"""
require "digest"
require "json"
require "net/ssh"
require "net/sftp"
port, login, key, known_hosts, bulk, files, target = ARGV
seen = {}
Net::SSH.start("127.0.0.1", login, port: port.to_i, keys: [key], keys_only: true, config: false, use_agent: false,
               user_known_hosts_file: known_hosts, global_known_hosts_file: [], verify_host_key: :always,
               non_interactive: true, timeout: 60) do |ssh|
  JSON.parse(STDIN.read).each do |command|
    status = {}
    out = ssh.exec!(command, status: status)
    seen[command] = [out, status[:exit_code], status[:exit_signal]]
  end
  ssh.open_channel do |channel|
    channel.exec("sha256sum") do |c, _|
      c.on_data { |_, data| seen["digest"] = data.split.first }
      c.on_request("exit-status") { |_, data| seen["digest status"] = data.read_long }
      c.send_data(File.binread(bulk))
      c.eof!
    end
  end
  ssh.loop
  ssh.open_channel do |channel|
    channel.request_pty(term: "xterm", chars_wide: 97, chars_high: 31) do |c, _|
      c.exec("stty size; echo $TERM") { |e, _| e.on_data { |_, data| (seen["terminal"] ||= +"") << data } }
    end
  end
  ssh.loop
  ssh.sftp.upload!(bulk, "#{files}/put")
  ssh.sftp.download!("#{files}/put", "#{files}/got")
  seen["got"] = Digest::SHA256.file("#{files}/got").hexdigest
  local = ssh.forward.local("127.0.0.1", 0, "127.0.0.1", target.to_i)
  thread = Thread.new do
    s = TCPSocket.new("127.0.0.1", local)
    s.write("through")
    # net-ssh passes no half-close on
    seen["forward"] = s.read(7)
    s.close
  end
  ssh.loop(0.1) { thread.alive? }
end
puts JSON.generate(seen)
"""


@pytest.mark.client("net-ssh")
def test_net_ssh(both, echo):
    """exit status and signal, 8 MiB to stdin, terminal, sftp put and get, -L"""
    def run(way):
        r = way.run(["ruby", "-e", NET_SSH, way.front.port, way.login, way.key("pem"),
                     way.client.known_hosts, way.bulk.path, way.files, echo.port], json.dumps(COMMANDS).encode())
        seen = json.loads(r.text)
        assert seen["digest"] == seen["got"] == way.bulk.sha256
        assert seen["forward"] == "through" and seen["terminal"].split() == ["31", "97", "xterm"]
        return seen

    both(run)
