"""Measures what bentoml 1.4.39 does with every file of bentoml.txtar, and writes the verdicts into it.

Run it in a virtual environment that has bentoml: python verdicts.py bentoml.txtar
For each file it runs `BENTOML_CONFIG=file bentoml serve` for two services and sends one request. "starts" is a server
that responds with 200, "refused" one that ends or never does. A line for each file goes to standard output.
"""
import json, os, re, signal, socket, subprocess, sys, tempfile, time, urllib.request

SERVICE = '''
import bentoml

@bentoml.service
class Encoder:
    @bentoml.api
    def encode(self, text: str) -> int: return len(text)

@bentoml.service
class Front:
    encoder = bentoml.depends(Encoder)
    @bentoml.api
    def front(self, text: str) -> str: return text
'''
LIMIT = 60  # seconds for one file


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def respond(port):
    body = json.dumps({"text": "a"}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/front", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as response:
        return response.status == 200


def reason(log):
    lines = [line for line in log.splitlines() if re.match(r"\S*(Error|Exception|Exit)\b|Key '|Wrong key", line)]
    return " | ".join(lines[-3:])[:160] or log.strip()[-160:].replace("\n", " ")


def ask(text, folder):
    config = os.path.join(folder, "config.yaml")
    with open(config, "w") as f:
        f.write(text)
    port, flags = free_port(), []
    if not re.search(r"http: {[^}]*\bport:", text):
        flags = ["--port", str(port)]
    env = dict(os.environ, BENTOML_CONFIG=config, BENTOML_HOME=os.path.join(folder, "home"), BENTOML_DO_NOT_TRACK="True",
               SECRET="from the environment", PORT="3000")
    log = open(os.path.join(folder, "log"), "w+")
    server = subprocess.Popen([os.path.join(os.path.dirname(sys.executable), "bentoml"), "serve", "service:Front",
                               "--host", "127.0.0.1", *flags],
                              cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True)
    end, ok = time.time() + LIMIT, False
    failed = 0
    while time.time() < end and server.poll() is None and not ok and failed < 3:
        if not flags:
            with open(log.name) as written:
                listening = re.search(r"listening on \"?https?://[^:]*:(\d+)", written.read())
            port = int(listening[1]) if listening else port
        try:
            ok = respond(port)
        except urllib.error.HTTPError:
            failed += 1  # it is there, and does not do its work
            time.sleep(0.5)
        except OSError:
            time.sleep(0.2)
    try:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(10)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        pass
    try:
        os.killpg(server.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    log.seek(0)
    return ok, reason(log.read())


def main(archive):
    with open(archive) as f:
        parts = re.split(r"(?m)^(?=-- .*\.yaml --$)", f.read())
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "service.py"), "w") as f:
            f.write(SERVICE)
        for i, part in enumerate(parts[1:], 1):
            name, rest = part.split(" --\n", 1)
            text, here = rest.split("-- verdict --\n", 1)
            here = here[here.index("-- here --\n"):]
            ok, why = ask(text, folder)
            verdict = "starts" if ok else "refused"
            print(name[3:], verdict, "" if ok else "# " + why, flush=True)
            parts[i] = f"{name} --\n{text}-- verdict --\n{verdict}\n{here}"
    with open(archive, "w") as f:
        f.write("".join(parts))


main(sys.argv[1])
