{{- define "ekiben.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "ekiben.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ekiben.labels" -}}
{{ include "ekiben.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* The configuration: what the chart must say, under what the values say. */}}
{{- define "ekiben.config" -}}
{{- $shutdown := dict "idle" .Values.drain.idle "grace" .Values.drain.grace }}
{{- $config := dict "http" (dict "port" .Values.port) "shutdown" $shutdown "logging" (dict "format" "json") }}
{{- if .Values.collector.enabled }}
{{- $_ := set $config "otlp" (dict "enabled" true "endpoint" (printf "http://%s-collector:4318" (include "ekiben.name" .))) }}
{{- end }}
{{- toYaml (mergeOverwrite $config (deepCopy .Values.config)) }}
{{- end }}

{{- /* What scales: requests in progress of the pods, without probes. Both names of the label hold. */}}
{{- define "ekiben.inProgress" -}}
sum({{ .Values.autoscaling.namespace }}_request_in_progress{namespace="{{ .Release.Namespace }}",pod=~"{{ include "ekiben.name" . }}-.*",endpoint!~"/(healthz|livez|readyz|metrics)",exported_endpoint!~"/(healthz|livez|readyz|metrics)"})
{{- end }}
