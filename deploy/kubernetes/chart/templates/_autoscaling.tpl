{{- /* The metric for scaling. */}}
{{- define "ekiben.scaled" -}}
{{ .Values.autoscaling.namespace | default (include "ekiben.namespace" .) }}_request_in_progress
{{- end }}

{{- /* A regular expression for probes and /metrics, escaped for a PromQL string. */}}
{{- define "ekiben.notwork" -}}
{{ include "ekiben.prefix" . | regexQuoteMeta | replace "\\" "\\\\" }}/(healthz|livez|readyz|metrics)
{{- end }}

{{- /* A regular expression for the names of the Deployment's pods: its name, the ReplicaSet's hash and a suffix. Kubernetes uses
only these letters. Pods of a longer name, such as the Collector's, have one part more and do not match. */}}
{{- define "ekiben.pods" -}}
{{- $letters := "[bcdfghjklmnpqrstvwxz2456789]" }}
{{- printf "%s-%s{1,10}-%s{5}" (include "ekiben.name" .) $letters $letters }}
{{- end }}

{{- /* The query for requests in progress of the pods, without probes, for both names of the label endpoint. A request that waits
for another service of its process is in progress in both. It counts once: the service with most requests counts for a pod. */}}
{{- define "ekiben.inProgress" -}}
{{- $notwork := include "ekiben.notwork" . }}
{{- printf "sum(max by (pod) (sum by (pod, runner_name) (%s{namespace=%q,pod=~%q,endpoint!~\"%s\",exported_endpoint!~\"%s\"})))" (include "ekiben.scaled" .) .Release.Namespace (include "ekiben.pods" .) $notwork $notwork }}
{{- end }}
