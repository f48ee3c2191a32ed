{{- /* The metric that scales. */}}
{{- define "ekiben.scaled" -}}
{{ .Values.autoscaling.namespace | default (include "ekiben.namespace" .) }}_request_in_progress
{{- end }}

{{- /* Probes and /metrics, as a regular expression in a text of PromQL. */}}
{{- define "ekiben.notwork" -}}
{{ include "ekiben.prefix" . | regexQuoteMeta | replace "\\" "\\\\" }}/(healthz|livez|readyz|metrics)
{{- end }}

{{- /* The Deployment's pods by their names: its own, the ReplicaSet's hash, a suffix, both of Kubernetes' letters without vowels.
What follows a longer name, such as the Collector's, has another part. */}}
{{- define "ekiben.pods" -}}
{{- $letters := "[bcdfghjklmnpqrstvwxz2456789]" }}
{{- printf "%s-%s{1,10}-%s{5}" (include "ekiben.name" .) $letters $letters }}
{{- end }}

{{- /* Requests in progress of the pods, without probes. Both names of the label hold. One that waits for another service of its
process is in progress in both, and is one: of a pod, the service with most counts. */}}
{{- define "ekiben.inProgress" -}}
{{- $notwork := include "ekiben.notwork" . }}
{{- printf "sum(max by (pod) (sum by (pod, runner_name) (%s{namespace=%q,pod=~%q,endpoint!~\"%s\",exported_endpoint!~\"%s\"})))" (include "ekiben.scaled" .) .Release.Namespace (include "ekiben.pods" .) $notwork $notwork }}
{{- end }}
