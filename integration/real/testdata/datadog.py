"""Reads /metrics twice as Datadog's agent does for BentoML, and prints the metrics
that it would send: the mapping of its integration with the check that it uses."""

import json
import sys

from datadog_checks.base import OpenMetricsBaseCheckV2
from datadog_checks.base.stubs import aggregator


class Check(OpenMetricsBaseCheckV2):
    __NAMESPACE__ = "bentoml"
    DEFAULT_METRIC_LIMIT = 0

    def get_default_config(self):
        return {
            "metrics": [
                {
                    "bentoml_service_request_in_progress": "service.request.in_progress",
                    "bentoml_service_request": "service.request",
                    "bentoml_service_request_duration_seconds": "service.request.duration",
                    "bentoml_service_adaptive_batch_size": "service.adaptive_batch_size",
                    "bentoml_service_last_request_timestamp_seconds": {
                        "type": "time_elapsed",
                        "name": "service.time_since_last_request",
                    },
                }
            ]
        }


check = Check("bentoml", {}, [{"openmetrics_endpoint": sys.argv[1] + "/metrics"}])
check.run()
error = check.run()
if json.loads(error or "[]"):
    sys.exit(error)
sent = {}
for name in aggregator.metric_names:
    for m in aggregator.metrics(name):
        tags = ",".join(sorted(t for t in m.tags if not t.startswith(("endpoint:http://", "pid:"))))
        sent[f"{name}{{{tags}}}"] = "elapsed" if "time_since" in name else m.value
print(json.dumps(sent, sort_keys=True))
