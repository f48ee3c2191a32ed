"""Asks bentoml 1.4.39 about every file of bentoml.txtar: would a service start and answer with it?

verdicts.py bentoml.txtar prints a line a file, "starts" or "refused". What it does is what `bentoml serve` does with
its configuration, up to the first request: merge, validate, and build what a request needs of it.
"""
import os, re, sys, tempfile, ipaddress

os.environ["BENTOML_DO_NOT_TRACK"] = "True"
import bentoml
from bentoml._internal.configuration.containers import BentoMLContainer as C
from prometheus_client import CollectorRegistry, Histogram


@bentoml.service
class Encoder:
    @bentoml.api
    def encode(self, text: str) -> int: return len(text)


@bentoml.service
class Front:
    encoder = bentoml.depends(Encoder)
    @bentoml.api
    def front(self, text: str) -> str: return text


def ask():
    Front.inject_config()
    ipaddress.ip_address(C.http.host.get())
    if not 0 < C.http.port.get() < 65536:
        raise ValueError("port")
    if C.ssl.enabled.get() and not C.ssl.certfile.get():
        raise ValueError("ssl_certfile is required")
    if C.ssl.certfile.get() and not os.path.exists(C.ssl.certfile.get()):
        raise ValueError("no such certificate")
    options = C.access_control_options.get()
    if C.http.cors.enabled.get():
        from starlette.middleware.cors import CORSMiddleware
        assert options.get("allow_origins") is not None
        CORSMiddleware(lambda *_: None, **options)
    C.tracer_provider.get()
    C.tracing_excluded_urls.get()
    fmt = C.logging_formatting.get()
    format(1, fmt["trace_id"]), format(1, fmt["span_id"])
    if C.api_server_config.metrics.enabled.get():
        Histogram("request_duration_seconds", "", namespace=C.api_server_config.metrics.namespace.get(),
                  labelnames=["a"], buckets=C.duration_buckets.get(), registry=CollectorRegistry()).labels("x").observe(1)
    services = C.config.services.get()
    for name in ("Front", "Encoder"):
        assert services[name]["traffic"].get("timeout") is not None


os.environ["SECRET"], os.environ["PORT"] = "from the environment", "3000"
for part in re.split(r"(?m)^-- (?=.*\.yaml --$)", open(sys.argv[1]).read())[1:]:
    name, rest = part.split(" --\n", 1)
    text = re.split(r"(?m)^-- ", rest)[0]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as f:
        f.write(text)
    os.environ["BENTOML_CONFIG"] = f.name
    sys.stdout.flush()
    if child := os.fork():  # what BentoML has computed once, it keeps
        os.waitpid(child, 0)
        continue
    try:
        ask()
        print(name, "starts")
    except BaseException as e:
        print(name, "refused", "#", type(e).__name__, str(e).replace("\n", " ")[:100])
    sys.stdout.flush()
    os._exit(0)
