{{- /* At most 46 characters: a pod's name then holds all of it, its ReplicaSet's hash and its own suffix. */}}
{{- define "ekiben.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 46 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 46 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "ekiben.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ekiben.labels" -}}
{{ include "ekiben.selector" . }}
{{ include "ekiben.origin" . }}
{{- end }}

{{- define "ekiben.collector.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}-collector
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ekiben.collector.labels" -}}
{{ include "ekiben.collector.selector" . }}
{{ include "ekiben.origin" . }}
{{- end }}

{{- define "ekiben.origin" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* A container that may do nothing but compute. */}}
{{- define "ekiben.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
